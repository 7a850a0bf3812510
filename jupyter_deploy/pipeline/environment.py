"""What a replica gets of the kernel's environment: what finds libraries, and nothing secret.

Rule: a name is on this list or it stays in the kernel; tokens, passwords and proxies never travel.
"""

from __future__ import annotations

from collections.abc import Mapping

_ALLOWED = frozenset({
    "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "HOME", "USER", "LOGNAME", "SHELL",
    "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT", "CUDA_VISIBLE_DEVICES", "CUDA_HOME",
    "JAVA_HOME", "HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_CACHE", "NLTK_DATA", "PROJ_DATA",
    "GDAL_DATA", "SCIPY_ARRAY_API", "PYTHONPATH", "PYTHONHASHSEED", "SSL_CERT_FILE",
})  # fmt: skip
_ALLOWED_PREFIXES = ("LC_",)


def replica_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of `environment` that replicas get."""
    return {
        name: value
        for name, value in environment.items()
        if name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES)
    }
