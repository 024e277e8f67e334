"""Asks adaptdl's own goodput code, as it is installed from PyPI, for a batch size: one JSON object a line, one answer each.

What adaptdl does around it on one replica is repeated here, with where it stands: how its profile is put together
(adaptdl/torch/_metrics.py, _fit_perf_params), and when a suggestion is taken (adaptdl/torch/data.py, _sync_local_bsz).
"""

import json
import sys
import warnings

import numpy
from adaptdl.goodput import GoodputFunction, fit_perf_params

SPEEDUP_THRESHOLD = 1.05  # AdaptiveDataLoaderHelper._speedup_threshold


def decide(asked):
    profile = asked["profile"]
    optim = numpy.array([each["optimSeconds"] for each in profile])
    optim_count = numpy.array([each["optimCount"] for each in profile])
    accum = numpy.array([each["accumSeconds"] for each in profile])
    accum_count = numpy.array([each["accumCount"] for each in profile])
    # An optimization step without its synchronization, of which there is none here, counts as an accumulation step.
    accum = (accum + optim) / (accum_count + optim_count)
    optim = optim / optim_count
    ones = numpy.ones(len(profile), dtype=int)
    sizes = numpy.array([each["atomic"] for each in profile])
    perf = fit_perf_params(ones, ones, sizes, accum, optim)
    goodput = GoodputFunction(perf, (asked["sqr"], asked["var"]), asked["initial"])
    if asked["rule"] == "optimize":
        suggested, atomic, accumulation = goodput.optimize(
            1, 1, max_batch_size=asked["max"], atomic_bsz_range=tuple(asked["bounds"]), accumulation=True
        )
    else:
        # The candidates of optimize(), in one piece each: it gives one replica no batch without accumulation.
        sizes = numpy.ceil(numpy.geomspace(asked["initial"], asked["max"]) - 1e-8).astype(int)
        values = goodput(1, 1, sizes, numpy.zeros_like(sizes))
        best = values.argmax()
        suggested, atomic, accumulation = values[best], sizes[best], 0
    now = asked["now"]
    current = goodput(1, 1, now["atomic"], now["accumulation"])
    speedup = suggested / max(current, 1e-8)
    if speedup > SPEEDUP_THRESHOLD:
        now = {"atomic": int(atomic), "accumulation": int(accumulation)}
    return {**now, "speedup": float(speedup), "perf": [float(value) for value in perf]}


# fit_perf_params and its optimizer warn of division by zero at the bounds, each time.
warnings.simplefilter("ignore")
for line in sys.stdin:
    try:
        answer = decide(json.loads(line))
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
