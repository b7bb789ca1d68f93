"""What this machine is: processor, memory, versions, and the GPUs that a framework can use.

Nothing is measured here, and no framework is imported: TensorFlow alone would cost the server 4 s and
480 MB. Frameworks are asked for their GPUs in a short-lived process of their own, and the answer is kept.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pooch
import psutil

FRAMEWORKS = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}
"""Module name -> name on screen, of the frameworks that Keras runs on, in order of preference."""

# Import name -> names under which it is distributed, the usual one first.
_DISTRIBUTIONS = {
    "streamlit": ("streamlit",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "ai-edge-litert": ("ai-edge-litert",),
    "torch": ("torch",),
    "jax": ("jax",),
}

# Each prints, as its last line, a JSON list with the name of every GPU; [] if there is none.
_QUESTIONS = {
    "tensorflow": """
import json
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
print(json.dumps([tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]))
""",
    "torch": """
import json
import torch
names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
if torch.backends.mps.is_available():
    names.append("Apple GPU")
print(json.dumps(names))
""",
    "jax": """
import json
import jax
print(json.dumps([device.device_kind for device in jax.devices() if device.platform != "cpu"]))
""",
}


@dataclass(frozen=True)
class Machine:
    """What a measurement depends on; stored beside every result."""

    processor: str
    """The maker's name of it, e.g. "AMD Ryzen 7 5800X 8-Core Processor"."""
    num_cores: int
    """Logical cores that this process may use: installed, less affinity and container limits, at least 1."""
    memory_bytes: int
    """Memory that this process may use: installed, or the container's limit where that is lower."""
    system: str
    """Operating system with release and architecture, e.g. "Linux 6.8.0 x86_64"."""
    python: str
    versions: dict[str, str]
    """Versions of streamlit, tensorflow, keras, numpy, ai-edge-litert, torch and jax, where installed."""

    def to_dict(self) -> dict:
        """The fields as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Devices:
    """The GPUs that a framework can use on this machine."""

    framework: str
    gpus: tuple[str, ...]
    """Names such as "NVIDIA H200"; empty means that the framework computes on the processor."""
    problem: str | None
    """Why the GPUs are unknown, or not usable although there are some, and what to do; None if all is well."""
    checked_at: str
    """When the framework was asked: ISO 8601, UTC, to the second."""


def describe() -> Machine:
    """This machine, as far as this process may use it. Takes some milliseconds; imports no framework."""
    cgroup_cores, cgroup_bytes = _cgroup_limits(Path("/"))
    try:
        num_cores = len(psutil.Process().cpu_affinity())
    except AttributeError:  # macOS has no affinity
        num_cores = os.cpu_count() or 1
    if cgroup_cores is not None:
        num_cores = min(num_cores, max(1, math.ceil(cgroup_cores)))
    memory_bytes = psutil.virtual_memory().total
    if cgroup_bytes is not None:
        memory_bytes = min(memory_bytes, cgroup_bytes)
    return Machine(
        processor=_processor(),
        num_cores=num_cores,
        memory_bytes=memory_bytes,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: version for name in _DISTRIBUTIONS if (version := _version(name))},
    )


def installed_frameworks() -> tuple[str, ...]:
    """Module names of the installed frameworks among FRAMEWORKS, in that order; imports none of them."""
    return tuple(name for name in FRAMEWORKS if importlib.util.find_spec(name))


def default_framework() -> str:
    """The framework to compute with where none is asked for: KERAS_BACKEND's, else the first that is installed."""
    asked = os.environ.get("KERAS_BACKEND", "")
    return asked if asked in FRAMEWORKS else next(iter(installed_frameworks()), next(iter(FRAMEWORKS)))


def not_installed(framework: str) -> str:
    """What to say of a framework that is not there, and what to do."""
    return f"{FRAMEWORKS[framework]} is not installed. Install it with: pip install {framework}"


def devices(framework: str = "tensorflow", timeout_seconds: float = 60, refresh: bool = False) -> Devices:
    """The GPUs that the framework ("tensorflow", "torch" or "jax") can use.

    The framework is asked in a process of its own (about 4 s for TensorFlow). The answer is kept in the user
    cache folder until a package, the graphics driver or the choice of visible devices changes, or `refresh`
    is set. An answer with a problem is not kept, so that a repair shows at the next call.

    Raises ValueError for an unknown framework; everything else that goes wrong is told in `problem`.
    """
    if framework not in FRAMEWORKS:
        raise ValueError(f"The framework must be one of {', '.join(FRAMEWORKS)}. Received: {framework!r}.")
    path = pooch.os_cache("fashion-lab") / f"devices-{framework}.json"
    circumstances = _circumstances(framework)
    if not refresh and (remembered := _recall(path, circumstances)):
        return Devices(framework, *remembered)

    gpus, problem = _ask(framework, timeout_seconds)
    if not gpus and problem is None:
        problem = _unused_gpu_problem(framework)
    checked_at = datetime.now(UTC).isoformat(timespec="seconds")
    if problem is None:
        _remember(path, circumstances, gpus, checked_at)
    return Devices(framework, gpus, problem, checked_at)


# The machine


def _version(name: str) -> str | None:
    for distribution in _DISTRIBUTIONS[name]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return None


def _processor() -> str:
    system = platform.system()
    name = ""
    if system == "Linux":
        name = _linux_processor(Path("/proc/cpuinfo"))
    elif system == "Darwin":
        name = _output_of("sysctl", "-n", "machdep.cpu.brand_string")
    elif system == "Windows":
        name = _windows_processor()
    return name or platform.processor() or platform.machine()


def _linux_processor(cpuinfo: Path) -> str:
    """The name on x86 ("model name"), or that of a small Arm board ("Model"); empty if there is neither."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return fields.get("model name") or fields.get("Model") or ""


def _windows_processor() -> str:
    import winreg  # exists on Windows only

    try:
        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        ) as key:
            return winreg.QueryValueEx(key, "ProcessorNameString")[0].strip()
    except OSError:
        return ""


def _output_of(*command: str) -> str:
    """What a small system tool prints; empty if it is not there, fails, or takes over ten seconds."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _cgroup_limits(root: Path) -> tuple[float | None, int | None]:
    """Cores and bytes of memory that Linux control groups leave to this process; None where unlimited.

    A container, or a batch system, limits through these. Version 2 has one tree of groups, version 1 one per
    controller. Limits of the groups above hold as well, so the lowest on the way up counts.
    """
    cores, memory = [], []
    for controllers, group in _cgroup_memberships(root):
        for folder in _way_up(root / "sys/fs/cgroup" / controllers, group):
            if controllers == "":
                cores += _cores(*_read(folder / "cpu.max").split())
                memory += _bytes(_read(folder / "memory.max"))
            if "cpu" in controllers.split(","):
                cores += _cores(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
            if controllers == "memory":
                memory += _bytes(_read(folder / "memory.limit_in_bytes"))
    return min(cores, default=None), min(memory, default=None)


def _cgroup_memberships(root: Path) -> list[tuple[str, str]]:
    """(controllers, group) per line of /proc/self/cgroup; controllers is empty for version 2."""
    lines = (line.split(":", 2) for line in _read(root / "proc/self/cgroup").splitlines())
    return [(fields[1], fields[2]) for fields in lines if len(fields) == 3]


def _way_up(mount: Path, group: str) -> list[Path]:
    """The group's folder and those above it, up to the mount.

    Inside a container the mount often is the group itself and the longer paths do not exist: reading them
    gives nothing, and the mount gives the limit.
    """
    names = [name for name in group.split("/") if name not in ("", "..")]
    return [mount.joinpath(*names[:count]) for count in range(len(names), -1, -1)]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _cores(quota: str = "", period: str = "") -> list[float]:
    """[cores] from microseconds of processor time per period; [] for "max", -1 or a missing file."""
    return [int(quota) / int(period)] if quota.isdecimal() and period.isdecimal() else []


def _bytes(limit: str) -> list[int]:
    """[bytes]; [] for "max" or a missing file. Version 1 writes "no limit" as a number near 2**63: harmless."""
    return [int(limit)] if limit.isdecimal() else []


# GPUs


def _ask(framework: str, timeout_seconds: float) -> tuple[tuple[str, ...], str | None]:
    """(names of the GPUs, problem in words) from a process that imports the framework."""
    title = FRAMEWORKS[framework]
    if not importlib.util.find_spec(framework):
        return (), not_installed(framework)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    try:
        # -P: a file beside the app must not stand in for a library.
        done = subprocess.run(
            [sys.executable, "-P", "-c", _QUESTIONS[framework]],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=timeout_seconds,
            env={**os.environ, **quiet},
        )
    except subprocess.TimeoutExpired:
        return (), (
            f"{title} did not say within {timeout_seconds:g} seconds which GPUs it can use. "
            "The machine may be busy, or the graphics driver may hang: check again later."
        )
    except OSError as error:
        return (
            (),
            f"Python could not be started to ask {title} for its GPUs ({error.strerror}). Check again later.",
        )
    if done.returncode != 0:
        last_words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return (), (
            f"{title} could not be loaded (exit status {done.returncode}): {last_words} "
            f"Install it again with: pip install --force-reinstall --no-deps {framework}=={_version(framework)}"
        )
    try:
        names = json.loads(done.stdout.strip().splitlines()[-1])
        return tuple(str(name) for name in names), None
    except (IndexError, ValueError, TypeError):
        return (), f"{title} gave no answer that could be read about its GPUs. Check again later."


def _unused_gpu_problem(framework: str) -> str | None:
    """A sentence if the driver lists GPUs of which the framework sees none; None if there are none to see."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):  # hidden on purpose
        return None
    listed = _output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    if not listed:
        return None
    seen = f"The NVIDIA driver lists {', '.join(listed)}, but {FRAMEWORKS[framework]} sees no GPU."
    if framework != "tensorflow":
        return f"{seen} Install the build of {framework} for CUDA, as its own installation page says."
    if platform.system() == "Windows":
        return f"{seen} On Windows, TensorFlow uses GPUs only inside WSL 2: install and start the app there."
    return f"{seen} Install what it needs with: pip install -r requirements-gpu.txt"


def _circumstances(framework: str) -> str:
    """A hash of what an answer depends on, from files that are quick to read."""
    site_packages = Path(sysconfig.get_path("purelib"))
    facts = (
        platform.node(),  # a home folder may be shared by many machines
        sys.executable,
        sys.version,
        _version(framework),
        # Any package that pip installs or removes changes this, CUDA libraries and plug-ins included.
        site_packages.stat().st_mtime_ns if site_packages.exists() else None,
        _read(Path("/proc/driver/nvidia/version")),
        shutil.which("nvidia-smi"),
        os.environ.get("CUDA_VISIBLE_DEVICES"),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _recall(path: Path, circumstances: str) -> tuple[tuple[str, ...], None, str] | None:
    """(gpus, problem, checked_at) from an earlier call under the same circumstances, else None."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["circumstances"] == circumstances:
            return tuple(str(name) for name in kept["gpus"]), None, str(kept["checked_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never asked, or the file is damaged: ask
    return None


def _remember(path: Path, circumstances: str, gpus: tuple[str, ...], checked_at: str) -> None:
    kept = {"circumstances": circumstances, "gpus": list(gpus), "checked_at": checked_at}
    with contextlib.suppress(OSError):  # without a writable cache folder, every call asks
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            beside = Path(folder) / path.name
            beside.write_text(json.dumps(kept), encoding="utf-8")
            beside.replace(path)
