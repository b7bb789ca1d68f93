"""What this machine is, and its GPUs: container limits from written-out files, frameworks played by a stub.

Run: python -m pytest tests/test_machine.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fashion import machine

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "fashion-lab"


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_describe_tells_this_machine():
    """The description is plain values for JSON, with versions of what is installed."""
    described = machine.describe()

    assert json.loads(json.dumps(described.to_dict())) == described.to_dict()
    assert described.processor
    assert 1 <= described.num_cores <= os.cpu_count()
    assert 256 * 1024**2 < described.memory_bytes < 2**45
    assert described.python == ".".join(str(part) for part in sys.version_info[:3])
    assert described.versions["numpy"] == __import__("numpy").__version__


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to cores")
def test_cores_respect_affinity():
    """A process bound to one core has one core."""
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from fashion import machine; print(machine.describe().num_cores)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "1\n"


@pytest.mark.parametrize(
    ("cores", "num_bytes", "expected"),
    [
        pytest.param(0.5, 10**8, (1, 10**8), id="half a core"),
        pytest.param(2.5, 10**8, (3, 10**8), id="rounded up"),
        pytest.param(99.0, 2**63 - 4096, (8, 16 * 10**9), id="more than installed"),
        pytest.param(None, None, (8, 16 * 10**9), id="unlimited"),
    ],
)
def test_describe_takes_the_lower_limit(monkeypatch, cores, num_bytes, expected):
    """On 8 cores with 16 GB, a container's lower limits count, and higher ones do not."""
    monkeypatch.setattr(machine, "_cgroup_limits", lambda root: (cores, num_bytes))
    monkeypatch.setattr(
        machine.psutil, "Process", lambda: SimpleNamespace(cpu_affinity=lambda: list(range(8)))
    )
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: SimpleNamespace(total=16 * 10**9))

    described = machine.describe()

    assert (described.num_cores, described.memory_bytes) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, (None, None), id="no control groups"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/memory.max": "2147483648\n",
            },
            (1.5, 2147483648),
            id="version 2 in a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/user.slice/job\n",
                "sys/fs/cgroup/user.slice/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/user.slice/memory.max": "1000\n",
                "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
                "sys/fs/cgroup/user.slice/job/memory.max": "5000\n",
            },
            (4.0, 1000),
            id="version 2, limit of the group above",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/cpu.max": "max 100000\n",
                "sys/fs/cgroup/memory.max": "max\n",
            },
            (None, None),
            id="version 2, unlimited",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n2:cpuset:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            (2.0, 536870912),
            id="version 1, mounted at the group",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            (None, None),
            id="version 1, unlimited",
        ),
    ],
)
def test_container_limits_are_read(tmp_path, files, expected):
    """Limits of control groups, version 1 and 2, are found in the group itself and in those above it."""
    write(tmp_path, files)

    assert machine._cgroup_limits(tmp_path) == expected


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (
            "processor\t: 0\nmodel name\t: AMD Ryzen 7 5800X 8-Core Processor\n",
            "AMD Ryzen 7 5800X 8-Core Processor",
        ),
        (
            "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B\n",
            "Raspberry Pi 4 Model B",
        ),
        ("processor\t: 0\n", ""),
    ],
)
def test_linux_processor_name(tmp_path, cpuinfo, expected):
    """The processor's name is found on x86 and on small Arm boards."""
    (tmp_path / "cpuinfo").write_text(cpuinfo)

    assert machine._linux_processor(tmp_path / "cpuinfo") == expected


def test_mac_processor_name(monkeypatch):
    """On macOS the system tool sysctl tells the processor's name."""
    monkeypatch.setattr(machine.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(
        machine.subprocess, "run", lambda command, **_: SimpleNamespace(stdout="Apple M2 Pro\n")
    )

    assert machine._processor() == "Apple M2 Pro"


def test_processor_has_a_name_on_any_system(monkeypatch):
    """Where no source tells the processor, its architecture stands in."""
    monkeypatch.setattr(machine.platform, "system", lambda: "Plan 9")
    monkeypatch.setattr(machine.platform, "processor", lambda: "")
    monkeypatch.setattr(machine.platform, "machine", lambda: "mips")

    assert machine._processor() == "mips"


class Programs:
    """Plays the programs that are started: the framework's process, and nvidia-smi."""

    def __init__(self):
        self.answer = {"returncode": 0, "stdout": '["NVIDIA H200"]\n', "stderr": ""}
        self.nvidia_smi = ""
        self.times_out = False
        self.num_asked = 0

    def run(self, command, **options):
        if command[0] == "nvidia-smi":
            return SimpleNamespace(stdout=self.nvidia_smi)
        self.num_asked += 1
        if self.times_out:
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return SimpleNamespace(**self.answer)


@pytest.fixture
def programs(monkeypatch):
    programs = Programs()
    monkeypatch.setattr(machine.subprocess, "run", programs.run)
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return programs


def test_gpus_are_named(programs):
    """What the framework lists is returned, even if it printed something else before."""
    programs.answer["stdout"] = 'a notice\n["NVIDIA H200", "NVIDIA H200"]\n'

    found = machine.devices()

    assert found.framework == "tensorflow"
    assert found.gpus == ("NVIDIA H200", "NVIDIA H200")
    assert found.problem is None
    assert found.checked_at.endswith("+00:00")


def test_an_answer_is_remembered_until_refreshed(programs):
    """The framework is asked once; with refresh it is asked anew."""
    first = machine.devices()
    programs.answer["stdout"] = "[]\n"

    assert machine.devices() == first
    assert programs.num_asked == 1
    assert machine.devices(refresh=True).gpus == ()
    assert programs.num_asked == 2


def test_frameworks_are_remembered_apart(programs):
    """The answer of one framework is not given for another."""
    machine.devices("tensorflow")
    programs.answer["stdout"] = "[]\n"

    assert machine.devices("jax").gpus == ()
    assert machine.devices("tensorflow").gpus == ("NVIDIA H200",)
    assert programs.num_asked == 2


@pytest.mark.parametrize("change", ["version", "visible devices", "driver"])
def test_changed_circumstances_ask_anew(programs, monkeypatch, change):
    """Another framework version, driver or choice of visible devices makes the old answer void."""
    machine.devices()
    if change == "version":
        monkeypatch.setattr(machine, "_version", lambda name: "99.0")
    if change == "visible devices":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    if change == "driver":
        monkeypatch.setattr(machine.shutil, "which", lambda name: "/new/nvidia-smi")

    machine.devices()

    assert programs.num_asked == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"circumstances": 1}', "\udc80"])
def test_damaged_memory_is_asked_anew(programs, cache, content):
    """A file that cannot be read counts as never asked, and is replaced."""
    machine.devices()
    (cache / "devices-tensorflow.json").write_bytes(content.encode(errors="surrogateescape"))

    assert machine.devices().gpus == ("NVIDIA H200",)
    assert machine.devices().gpus == ("NVIDIA H200",)
    assert programs.num_asked == 2


def test_unwritable_memory_is_no_obstacle(programs, tmp_path, monkeypatch):
    """Without a cache folder the framework is asked at every call."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(machine.pooch, "os_cache", lambda project: tmp_path / "file" / project)

    assert machine.devices().gpus == ("NVIDIA H200",)
    assert machine.devices().gpus == ("NVIDIA H200",)
    assert programs.num_asked == 2


def test_slow_framework_is_told_and_asked_again(programs):
    """A time-out is told in words with its seconds, and is not remembered."""
    programs.times_out = True

    found = machine.devices(timeout_seconds=7)

    assert found.gpus == ()
    assert "TensorFlow did not say within 7 seconds" in found.problem
    programs.times_out = False
    assert machine.devices().gpus == ("NVIDIA H200",)


def test_framework_that_fails_is_told_with_its_last_words(programs):
    """A framework that cannot be imported is told with the last line of its error."""
    programs.answer = {"returncode": 1, "stdout": "", "stderr": "Traceback\nImportError: libcudart.so\n"}

    found = machine.devices("torch")

    assert "PyTorch could not be loaded (exit status 1): ImportError: libcudart.so" in found.problem


@pytest.mark.parametrize("stdout", ["", "no JSON\n", "7\n"])
def test_answer_that_is_none_is_told(programs, stdout):
    """A process that ends well without an answer is told in words."""
    programs.answer["stdout"] = stdout

    assert "gave no answer that could be read" in machine.devices().problem


def test_unused_gpu_is_told_with_the_remedy(programs):
    """A GPU that the driver lists and TensorFlow does not see is a problem, with the command that helps."""
    programs.answer["stdout"] = "[]\n"
    programs.nvidia_smi = "NVIDIA GeForce RTX 4070\n"

    found = machine.devices()

    assert found.gpus == ()
    assert "lists NVIDIA GeForce RTX 4070, but TensorFlow sees no GPU" in found.problem
    if sys.platform != "win32":
        assert "pip install -r requirements-gpu.txt" in found.problem


def test_gpu_hidden_on_purpose_is_no_problem(programs, monkeypatch):
    """With CUDA_VISIBLE_DEVICES=-1 the framework is meant to see no GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    programs.answer["stdout"] = "[]\n"
    programs.nvidia_smi = "NVIDIA GeForce RTX 4070\n"

    assert machine.devices().problem is None


def test_machine_without_gpu_has_no_problem(programs):
    """No GPU and no driver that lists one: nothing is wrong."""
    programs.answer["stdout"] = "[]\n"

    found = machine.devices()

    assert found.gpus == ()
    assert found.problem is None


def test_framework_that_is_not_installed_is_told(monkeypatch):
    """A framework that is not there is told with the command that installs it; no process is started."""
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(machine.subprocess, "run", None)

    assert machine.devices("jax").problem == "JAX is not installed. Install it with: pip install jax"
    assert machine.installed_frameworks() == ()


def test_unknown_framework_is_refused():
    """A name that is none raises ValueError and lists those there are."""
    with pytest.raises(ValueError, match="tensorflow, torch, jax. Received: 'caffe'"):
        machine.devices("caffe")


def test_no_framework_is_imported():
    """Describing the machine and listing the frameworks loads neither TensorFlow nor PyTorch nor JAX."""
    code = (
        "import sys; from fashion import machine; machine.describe(); machine.installed_frameworks(); "
        "print(sorted({'tensorflow', 'torch', 'jax', 'keras', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_real_tensorflow_answers():
    """The installed TensorFlow says which GPUs it can use, and its answer is remembered."""
    if "tensorflow" not in machine.installed_frameworks():
        pytest.skip("TensorFlow is not installed")

    found = machine.devices("tensorflow")

    assert found.problem is None or "sees no GPU" in found.problem
    if found.problem is None:
        assert machine.devices("tensorflow") == found
