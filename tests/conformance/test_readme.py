"""The Worker's README says of its vars what the sources say."""

import re

from tests.support.workerd import WORKER

README = (WORKER / "README.md").read_text()
VARS = (WORKER / "src" / "vars.ts").read_text()
LIMITS = (WORKER / "src" / "limits.ts").read_text()


def test_every_var_and_secret_is_listed() -> None:
    """The tables name what the Worker reads, and nothing else."""
    listed = {
        name for row in re.findall(r"^\| (`[A-Z_`, ]+`) \|", README, re.MULTILINE) for name in row.split("`")[1::2]
    }
    assert listed == set(re.findall(r"readonly ([A-Z_]+)\?: string", VARS))


def test_defaults_of_the_limits_are_those_of_the_sources() -> None:
    """A number in the table is the number in the code."""
    numbers = dict(re.findall(r"^  ([A-Z_]+): ([\d_]+),$", LIMITS, re.MULTILINE))
    assert numbers
    for name, number in numbers.items():
        assert re.search(rf"^\| `{name}` \| {number.replace('_', '')} \|", README, re.MULTILINE), name
