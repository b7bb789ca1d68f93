"""A benchmark that would not fit into memory or time, cut before it starts, with a note for all that is left out.

It measures nothing, and knows no Keras.
"""

import dataclasses
from collections.abc import Mapping

from fashion import architectures, benchmark_trials, estimate, memory_need
from fashion.benchmark_plan import Plan, short_name
from fashion.benchmark_trials import RecipePlan
from fashion.errors import JobError


def grid(
    plan: Plan, memory_bytes: float, max_seconds: float, speeds: Mapping[str, float]
) -> tuple[Plan, list[str]]:
    """The plan without the networks and batch sizes that would not fit here, and for each thing left out a note.

    memory_bytes: for the server and the measuring process together; it counts where the processor is measured. max_seconds:
    how long a job may take; the costliest networks go first. speeds: as for `Plan.estimate_seconds`.

    Raises:
        JobError: Not even the smallest network fits.
    """
    plan, notes = _into_memory(plan, memory_bytes)
    needed = plan.estimate_seconds(speeds)
    dropped = []
    while plan.estimate_seconds(speeds) > max_seconds:
        others = [pair for pair in plan.architectures if pair != plan.batch_network]
        if not others:
            raise JobError(
                f"A benchmark must fit into {estimate.in_words(max_seconds)}. It would take "
                f"{estimate.in_words(plan.estimate_seconds(speeds))} with one network only. Choose fewer devices or "
                "frameworks."
            )
        costliest = max(others, key=lambda pair: _cost(plan, pair))
        dropped.append(costliest)
        plan = plan.replace(architectures=tuple(pair for pair in plan.architectures if pair != costliest))
    if dropped:
        notes.append(
            f"Left out for time: {_named(dropped)}. With them it would take {estimate.in_words(needed)}; a job may take "
            f"{estimate.in_words(max_seconds)}."
        )
    return plan, notes


def _into_memory(plan: Plan, memory_bytes: float) -> tuple[Plan, list[str]]:
    if "cpu" not in plan.devices or not plan.architectures:
        return plan, []
    limit = memory_bytes - memory_need.SERVER_BYTES
    too_large = [pair for pair in plan.architectures if _bytes(plan, pair, plan.batch_sizes[0]) > limit]
    if len(too_large) == len(plan.architectures):
        raise JobError(
            f"A benchmark must fit into {limit / 1e6:,.0f} MB beside the server. The smallest network needs about "
            f"{min(_bytes(plan, pair, plan.batch_sizes[0]) for pair in too_large) / 1e6:,.0f} MB. Raise "
            "FASHION_MEMORY_MB if this machine has more."
        )
    sizes = [size for size in plan.batch_sizes[1:] if _bytes(plan, plan.batch_network, size) > limit]
    kept = tuple(pair for pair in plan.architectures if pair not in too_large)
    notes = []
    for names in (_named(too_large), ", ".join(f"batch size {size}" for size in sizes)):
        if names:
            notes.append(
                f"Left out for memory: {names}. {limit / 1e6:,.0f} MB may be taken beside the server."
            )
    return plan.replace(
        architectures=kept, batch_sizes=tuple(size for size in plan.batch_sizes if size not in sizes)
    ), notes


def _settings(plan: Plan, pair: tuple[str, float], batch_size: int):
    (cell,) = plan.replace(
        architectures=(pair,),
        batch_sizes=(batch_size,),
        devices=("cpu",),
        frameworks=plan.frameworks[:1],
    ).cells()
    return plan.settings(cell)


def _bytes(plan: Plan, pair: tuple[str, float], batch_size: int) -> int:
    return memory_need.worker_bytes(_settings(plan, pair, batch_size))


def _cost(plan: Plan, pair: tuple[str, float]) -> int:
    return architectures.cost_of(_settings(plan, pair, plan.batch_sizes[0]))[1]


def _named(pairs: list[tuple[str, float]]) -> str:
    return ", ".join(short_name(*pair) for pair in pairs)


def recipes(plan: RecipePlan, memory_bytes: float, max_seconds: float) -> tuple[RecipePlan, list[str]]:
    """The plan with as many seeds as a job has time for, and a note where that is fewer.

    Raises:
        JobError: One seed takes too long, or a training would not fit into memory.
    """
    benchmark_trials.check(plan, memory_bytes - memory_need.SERVER_BYTES)
    per_image = benchmark_trials.seconds_per_image()
    asked = plan
    while plan.estimate_seconds(per_image) > max_seconds and plan.seeds > 1:
        plan = dataclasses.replace(plan, seeds=plan.seeds - 1)
    needed = plan.estimate_seconds(per_image)
    if needed > max_seconds:
        raise JobError(
            f"A benchmark must fit into {estimate.in_words(max_seconds)}. One seed would take "
            f"{estimate.in_words(needed)}. Measure fewer recipes or epochs, or raise FASHION_DEADLINE_SECONDS."
        )
    if plan == asked:
        return plan, []
    return plan, [
        f"{plan.seeds} instead of {asked.seeds} seeds: all would take "
        f"{estimate.in_words(asked.estimate_seconds(per_image))}, a job may take {estimate.in_words(max_seconds)} "
        "(FASHION_DEADLINE_SECONDS)."
    ]
