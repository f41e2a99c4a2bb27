"""Work on whole matrices that several processes share out, such as Muon's orthogonalisation.

Every process gives all matrices, or its rows of all where they are shared out themselves; works on
those that are its own; and gets the results in the form it gave the matrices in. Who owns which
follows from their shapes alone, so nothing need be agreed on.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from noiseloom.training.distributed import lost_peers, rank, size
from noiseloom.training.parts import is_shared_out, local

Work = Callable[[list[Tensor]], list[Tensor]]
"""From matrices to as many of the same shapes, each treated on its own."""


def share_out(work: Work, matrices: Sequence[Tensor]) -> list[Tensor]:
    """What `work` makes of the matrices: of each result, as much as this process gave.

    Results come in the matrices' dtype where they were sent, else in that of `work`.
    """
    if size() == 1:
        return work(list(matrices))
    owner = owners([tuple(matrix.shape) for matrix in matrices], size())
    of = [[i for i, process in enumerate(owner) if process == other] for other in range(size())]
    with lost_peers():
        if any(map(is_shared_out, matrices)):
            return _of_rows(work, matrices, of)
        return _of_copies(work, matrices, of)


def owners(shapes: Sequence[Sequence[int]], processes: int) -> list[int]:
    """The process that works on each matrix: the dearest first, each to the least busy one."""
    costs = [_cost(shape) for shape in shapes]
    busy, owner = [0] * processes, [0] * len(shapes)
    for index in sorted(range(len(shapes)), key=costs.__getitem__, reverse=True):
        owner[index] = busy.index(min(busy))
        busy[owner[index]] += costs[index]
    return owner


def _cost(shape: Sequence[int]) -> int:
    """Some products of the small side alone, and two with the matrix itself."""
    small, large = sorted(shape)
    return small**2 * (large + 4 * small)


def rows_of(rows: int, processes: int) -> list[int]:
    """How many of a matrix's rows each process holds, as torch cuts them: the last may get none."""
    most = -(-rows // processes)
    return [max(0, min(most, rows - process * most)) for process in range(processes)]


def _of_copies(work: Work, matrices: Sequence[Tensor], of: list[list[int]]) -> list[Tensor]:
    """Every process holds every matrix; the results are gathered in one flat tensor."""
    like = matrices[0]
    longest = max(sum(matrices[index].numel() for index in indices) for indices in of)
    flat = _flat(work([matrices[index] for index in of[rank()]]), like)
    sent = F.pad(flat, (0, longest - len(flat)))  # all must send equally much
    received = like.new_empty(len(of) * longest)
    dist.all_gather_single(received, sent)
    shapes = [[matrices[index].shape for index in indices] for indices in of]
    cut = [_cut(row, one) for row, one in zip(received.view(len(of), -1), shapes, strict=True)]
    return _in_order(cut, of)


def _of_rows(work: Work, matrices: Sequence[Tensor], of: list[list[int]]) -> list[Tensor]:
    """Every process holds some rows of each matrix: they go to its owner, and come back.

    It takes a few times the memory of a process's own share; nobody holds all matrices.
    """
    parts, own, everyone = [local(matrix) for matrix in matrices], of[rank()], range(size())
    rows = {index: rows_of(matrices[index].shape[0], size()) for index in own}
    arrived = _exchange(
        [[parts[index] for index in indices] for indices in of],
        [[(rows[i][other], matrices[i].shape[1]) for i in own] for other in everyone],
        like=parts[0],
    )
    results = work([torch.cat(pieces) for pieces in zip(*arrived, strict=True)])
    cut = [result.split(rows[index]) for index, result in zip(own, results, strict=True)]
    returned = _exchange(
        [[pieces[other] for pieces in cut] for other in everyone],
        [[parts[index].shape for index in indices] for indices in of],
        like=parts[0],
    )
    return _in_order(returned, of)


def _exchange(
    sent: list[list[Tensor]], shapes: list[list[Sequence[int]]], *, like: Tensor
) -> list[list[Tensor]]:
    """Send some tensors to each process; what each sent, of `shapes`."""
    lengths = [sum(math.prod(shape) for shape in one) for one in shapes]
    received = like.new_empty(sum(lengths))
    dist.all_to_all_single(
        received,
        _flat([tensor for one in sent for tensor in one], like),
        lengths,
        [sum(tensor.numel() for tensor in one) for one in sent],
    )
    return [_cut(flat, one) for flat, one in zip(received.split(lengths), shapes, strict=True)]


def _flat(tensors: Sequence[Tensor], like: Tensor) -> Tensor:
    """The numbers of all tensors in a row, in the dtype and on the device of `like`."""
    return torch.cat([like.new_empty(0), *(t.flatten().to(like.dtype) for t in tensors)])


def _cut(flat: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """The tensors of `shapes` that lie in a row at the head of `flat`."""
    lengths = [math.prod(shape) for shape in shapes]
    pieces = flat[: sum(lengths)].split(lengths) if lengths else []
    return [piece.view(tuple(shape)) for piece, shape in zip(pieces, shapes, strict=True)]


def _in_order(by_process: list[list[Tensor]], of: list[list[int]]) -> list[Tensor]:
    """Tensors listed by owner, in the order of the matrices."""
    numbered = [
        pair
        for indices, tensors in zip(of, by_process, strict=True)
        for pair in zip(indices, tensors, strict=True)
    ]
    return [tensor for _, tensor in sorted(numbered, key=lambda pair: pair[0])]
