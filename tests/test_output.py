"""Documents to stdout, whole or not at all."""

import msgspec
import pytest

from exec_cf import output
from exec_cf.document import read
from exec_cf.encode import render
from exec_cf.errors import Code, Refused
from exec_cf.handles import parse
from tests.support.specs import EXAMPLE_HANDLE
from tests.support.world import FULL, FakeWorld

HANDLE, _ = parse(read(EXAMPLE_HANDLE))


class TestRendered:
    def test_the_worked_example_to_the_byte(self) -> None:
        assert output.rendered(HANDLE, as_json=False) == EXAMPLE_HANDLE

    @pytest.mark.parametrize("change", [{"session": "another"}, {"name": 3}])
    def test_what_the_verbs_would_refuse_does_not_leave(self, change: dict[str, object]) -> None:
        with pytest.raises(Refused, match=r"^the handle would not be valid: ") as refused:
            output.rendered(msgspec.structs.replace(HANDLE, **change), as_json=False)
        assert refused.value.exit_code == 70

    @pytest.mark.parametrize("written", [b"[", b"", b"\xff", b"name: a\n", b"a: 1\na: 2\n"])
    def test_what_does_not_read_back_is_an_internal_error(
        self, monkeypatch: pytest.MonkeyPatch, written: bytes
    ) -> None:
        monkeypatch.setattr(output, "encoded", lambda _, **__: written)
        self.fails()

    def test_what_reads_back_as_another_handle_is_an_internal_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        another = iter([msgspec.structs.replace(HANDLE, status="pending"), HANDLE])
        monkeypatch.setattr(output, "encoded", lambda _, **__: render(next(another)))
        self.fails()

    def fails(self) -> None:
        with pytest.raises(Refused, match=r"^the handle would not be valid: ") as refused:
            output.rendered(HANDLE, as_json=False)
        assert [problem.code for problem in refused.value.problems] == [Code.INTERNAL]
        assert refused.value.exit_code == 70


def test_a_stdout_that_takes_nothing_is_70() -> None:
    with pytest.raises(Refused, match=r"^stdout cannot be written: no space left on device; ") as refused:
        output.write(b"x", FakeWorld(broken_write=FULL))
    assert refused.value.exit_code == 70


def test_a_stdout_that_is_known_to_be_closed_is_70() -> None:
    with pytest.raises(Refused, match=r"^stdout cannot be written: no space left on device; ") as refused:
        output.check_writable(FakeWorld(closed=FULL))
    assert refused.value.exit_code == 70
