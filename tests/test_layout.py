"""The arrows between the modules point down, the server stays light, and the menu shows what there is."""

import subprocess
import sys

from fashion.runs import ROOT
from fashion.ui import frame

# Only worker processes load these: they import Keras.
WORKER_ONLY = {
    f"fashion.{name}"
    for name in (
        "batches",
        "export",
        "features",
        "fitting",
        "fused",
        "judging",
        "networks",
        "training",
        "transfer",
    )
}
FRAMEWORKS = ("tensorflow", "keras", "torch", "jax")

_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def _modules() -> set[str]:
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "fashion").rglob("*.py")]
    return {".".join(path.parts).removesuffix(".__init__") for path in paths}


def _loaded_by(modules: set[str]) -> set[str]:
    """The top-level packages in memory after these modules were imported, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, *sorted(modules)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_server_loads_no_training_framework():
    """Neither a page's modules nor the command line's bring TensorFlow's 500 MB."""
    loaded = _loaded_by(_modules() - WORKER_ONLY)

    assert "streamlit" in loaded
    assert loaded.isdisjoint(FRAMEWORKS)


def test_the_library_does_not_know_streamlit():
    """Only fashion.ui draws."""
    library = {name for name in _modules() - WORKER_ONLY if not name.startswith("fashion.ui")}

    assert "fashion.worker" in library
    assert "streamlit" not in _loaded_by(library)


def test_the_menu_lists_every_page_and_only_pages():
    """A page that nobody can reach, and a link that leads nowhere."""
    listed = {page.file for page in frame.PAGES}

    assert listed == {"streamlit_app.py", *(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))}


def test_pages_compute_nothing_themselves():
    """A page reads as a script: no arrays, tables or networks in it."""
    for path in [ROOT / "streamlit_app.py", *(ROOT / "pages").glob("*.py")]:
        imported = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
        for line in imported:
            assert line.split()[1].split(".")[0] in ("streamlit", "fashion"), f"{path.name}: {line}"


def test_charts_and_ticking_parts_have_one_way_to_the_page():
    """Drawn another way, a chart would take twice as long, and a part that thirty watch all of the processor.

    The player of a replay ticks at its own speed, for the one who pressed Play.
    """
    allowed = {
        "st.altair_chart(": {"charts.py"},
        "run_every=": {"ticking.py", "replay_view.py"},
    }
    for call, files in allowed.items():
        found = {
            path.name for path in (ROOT / "fashion").rglob("*.py") if call in path.read_text(encoding="utf-8")
        }
        assert found == files, call


def test_no_file_names_a_path_of_the_machine_it_was_made_on():
    """Such a path would be wrong everywhere else."""
    private = [("/" + path).encode() for path in ("work/main", "work/shared", "tmp/lab", "root/")]
    skipped = {".git", ".venv", ".pytest_cache", ".ruff_cache", "__pycache__", "runs"}
    for path in ROOT.rglob("*"):
        if path.is_file() and skipped.isdisjoint(path.relative_to(ROOT).parts):
            data = path.read_bytes()
            assert not [words for words in private if words in data], path.relative_to(ROOT)
