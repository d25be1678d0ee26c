"""One of two processes that share a batch, and the loss that both must have."""

import torch
from torch import distributed

from csmoe_model.distributed.collectives import gather_rows, mean_over_processes
from csmoe_model.nn.losses import imbalance_loss, mutual_information_loss


def loss_of_shared_vectors(weight, s2, s1):
    """Compute a loss like that of the model: vectors of all processes, and a mean of shares."""
    projected = gather_rows(s2 @ weight), gather_rows(s1 @ weight)
    usage = mean_over_processes((s2 @ weight).softmax(1).mean(0))
    return mutual_information_loss(*projected, temperature=0.5) + imbalance_loss(usage)


def save_share(rank, folder, weight, s2, s1):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    weight = weight.clone().requires_grad_()
    half = slice(3 * rank, 3 * rank + 3)
    loss = loss_of_shared_vectors(weight, s2[half], s1[half])
    loss.backward()
    mean = weight.grad.clone()
    distributed.all_reduce(mean)  # as DDP averages gradients
    torch.save((loss.detach(), mean / 2), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()
