"""Two test modules of one name, in different folders, are one module to Python: the second cannot be read."""

from collections import Counter
from pathlib import Path


def test_each_test_module_has_a_name_of_its_own() -> None:
    names = Counter(each.name for each in Path(__file__).parents[1].rglob("test_*.py"))

    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
