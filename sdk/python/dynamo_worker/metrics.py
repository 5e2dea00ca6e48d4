"""Numbers for the host's `/metrics`."""

from collections.abc import Sequence

from wit_world.exports.worker import Instrument, Metric

from ._host import imported

_metrics = imported("metrics")


def histogram(name: str, help: str, labels: Sequence[str], buckets: Sequence[float]) -> Metric:
    """A histogram to declare in the manifest. The host adds the bucket without an upper bound."""
    return Metric(name, help, Instrument.HISTOGRAM, list(labels), list(buckets))


def record(position: int, value: float, labels: Sequence[str] = ()) -> None:
    """Records a value of the manifest's metric at `position`, with its labels' values. Needs `metrics`."""
    _metrics.record_value(position, value, list(labels))
