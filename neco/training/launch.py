"""The processes that train together, one for each device.

Numbers of devices and nodes come in, and a Fabric comes out. The first process starts the others,
unless SLURM or torchrun has started them.
"""

import os

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from neco.config.training import Train
from neco.errors import UserError, first_line
from neco.precision import training_precision


def launch(devices: int, nodes: int, precision: str, accelerator: str = "auto") -> Fabric:
    """Return a Fabric in each of devices * nodes processes. Call it once, and early.

    Under `srun` or `torchrun` all processes exist already. Otherwise this process starts the others
    of its node by running its own command again, also inside a SLURM job.
    Raises UserError where the number of processes or devices does not fit.
    """
    if devices < 1 or nodes < 1:
        raise UserError(f"--devices {devices} --nodes {nodes}: both are 1 or more")
    together = devices * nodes > 1
    kind = None if accelerator == "auto" else accelerator
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            precision=training_precision(precision, kind),
            strategy=DDPStrategy(gradient_as_bucket_view=True) if together else "auto",
            plugins=[_environment(devices, nodes)],
        )
        fabric.launch()
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise UserError(
            f"--devices {devices} --nodes {nodes}: {first_line(error)}. Every process must see all "
            "devices of its node: in SLURM ask for --gpus-per-node, not --gpus-per-task"
        ) from None
    return fabric


def refuse_unequal_shares(settings: Train, processes: int) -> None:
    """Raise UserError where processes, or parts of a step, cannot share a batch equally."""
    if settings.batch_size % (processes * settings.accumulate):
        raise UserError(
            f"train.batch_size {settings.batch_size} must be a multiple of the {processes} "
            f"process{'es' if processes > 1 else ''} times train.accumulate {settings.accumulate}; "
            "change one of them"
        )


def _environment(devices: int, nodes: int) -> ClusterEnvironment:
    """Return Fabric's description of who starts the processes: this one, SLURM or torchrun."""
    needed = devices * nodes
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    # A batch script is one process, and so is a job step of Snakemake's. They start the others.
    started = int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if started not in (1, needed):
        raise UserError(
            f"--devices {devices} --nodes {nodes} needs {needed} processes and srun started "
            f"{started}; call srun with --nodes={nodes} --ntasks-per-node={devices}"
        )
    if started > 1:
        # Fabric needs this variable, and srun sets it only when it was called with
        # --ntasks-per-node.
        os.environ.setdefault("SLURM_NTASKS_PER_NODE", str(devices))
        return SLURMEnvironment()
    if nodes > 1 and "NODE_RANK" not in os.environ:
        raise UserError(
            f"--nodes {nodes}: start it with srun --nodes={nodes} --ntasks-per-node={devices}, or "
            "on every node with NODE_RANK, MASTER_ADDR and MASTER_PORT set"
        )
    return LightningEnvironment()
