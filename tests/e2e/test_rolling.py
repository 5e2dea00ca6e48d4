"""A short form of rolling.py, which `make test-rolling` runs at length."""

import pytest
from harness.deployment import Deployment
from rolling import kill, roll

pytestmark = pytest.mark.no_engine


def test_workers_are_replaced_and_nobody_loses_an_answer(deployment: Deployment) -> None:
    load = roll(deployment, 300)
    assert load.faults == []
    assert {"streamed, complete", "whole, complete"} == set(load.outcomes)


def test_what_a_killed_worker_was_at_goes_to_another(deployment: Deployment) -> None:
    load, migrated = kill(deployment, 300)
    assert load.faults == []
    assert migrated > 0
