"""What tests of several files are handed."""
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool
