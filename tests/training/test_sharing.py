import pytest
import torch

from noiseloom.training.parts import fill
from noiseloom.training.sharing import owners, rows_of, share_out

BLOCK = [(384, 128), (128, 128), (512, 128), (128, 512)]


def test_each_of_two_processes_gets_half_the_work() -> None:
    owner = owners(4 * BLOCK, 2)
    for large in (128, 384, 512):  # a matrix costs as much as its transpose
        alike = zip(owner, 4 * BLOCK, strict=True)
        processes = [process for process, shape in alike if max(shape) == large]
        assert 2 * processes.count(0) == len(processes)


def test_the_dearest_matrix_goes_first_and_alone() -> None:
    assert owners([(8, 8), (64, 64), (8, 8), (8, 8)], 2) == [1, 0, 1, 1]
    assert owners([(8, 8)], 4) == [0]


@pytest.mark.parametrize("rows", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_rows_are_cut_as_torch_cuts_them(rows: int, processes: int) -> None:
    chunks = [len(chunk) for chunk in torch.zeros(rows, 3).chunk(processes)]
    assert rows_of(rows, processes) == chunks + [0] * (processes - len(chunks))


def test_one_process_does_all_the_work_itself() -> None:
    matrices = [torch.ones(2, 3), torch.ones(4, 1)]
    results = share_out(lambda own: [2 * matrix for matrix in own], matrices)
    assert [result.tolist() for result in results] == [[[2] * 3] * 2, [[2]] * 4]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"a": torch.ones(2)}, "b of the model are not given"),
        ({"a": torch.ones(2), "c": torch.ones(2)}, "c of shape .* no such tensor"),
        ({"a": torch.ones(2), "b": torch.ones(3)}, r"b of shape \(3,\) .* it with \(2,\)"),
    ],
)
def test_a_state_is_filled_with_tensors_of_its_names(
    values: dict[str, torch.Tensor], said: str
) -> None:
    state = {"a": torch.zeros(2), "b": torch.zeros(2)}
    with pytest.raises(ValueError, match=said):
        fill(state, values.items())
    fill(state, {"b": torch.ones(2), "a": torch.full((2,), 3.0)}.items())
    assert state["a"].tolist() == [3, 3] and state["b"].tolist() == [1, 1]
