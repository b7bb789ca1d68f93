"""What every test starts from: empty Streamlit caches, runs in a folder of their own, data only where it lies."""

import os
from pathlib import Path

import pytest

_LOCAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
if "FASHION_DATA" not in os.environ and _LOCAL_DATA.is_dir():
    os.environ["FASHION_DATA"] = str(_LOCAL_DATA)


@pytest.fixture(autouse=True)
def _runs_folder(tmp_path, monkeypatch):
    """No test reads or writes the runs of the person who runs it."""
    monkeypatch.setenv("FASHION_RUNS", str(tmp_path / "runs"))


@pytest.fixture(autouse=True)
def _empty_streamlit_caches():
    """A patched dataset or model must not leak into the next test through Streamlit's caches."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()
