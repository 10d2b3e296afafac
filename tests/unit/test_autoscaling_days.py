"""The loads, what is counted of a course, and that the page tells of the settings that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deploy.autoscaling import days, report
from deploy.autoscaling.account import account
from deploy.autoscaling.simulation import Course

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def figures():
    return json.loads((DOCS / "autoscaling/days.json").read_text())


def test_a_day_has_its_payments_and_an_evening_peak():
    rates = np.array([days.usual(second) for second in range(0, days.DAY, 60)])
    assert rates.sum() * 60 == pytest.approx(days.PAYMENTS_A_DAY, rel=0.01)
    assert 19 * 60 <= rates.argmax() <= 21 * 60
    assert rates.max() > 50 * rates.min()


def test_a_day_joins_the_next_one():
    assert days.usual(days.DAY - 1) == pytest.approx(days.usual(days.DAY + 1), rel=0.001)


def test_a_salary_day_doubles_within_two_minutes():
    before, after = days.salary(10 * days.HOUR), days.salary(10 * days.HOUR + 120)
    assert after == pytest.approx(2 * before, rel=0.01)
    assert days.salary(15 * days.HOUR) == pytest.approx(days.SALARY_DAY * days.usual(15 * days.HOUR))


def test_an_account_adds_up():
    course = Course(
        seconds=np.arange(4) * 1800.0,
        load=np.array([10.0, 20.0, 30.0, 40.0]),
        lag=np.zeros(4),
        behind=np.array([0.0, 5.0, 6.0, 0.0]),
        replicas=np.array([3, 3, 6, 4]),
        working=np.array([3, 3, 3, 6]),
    )
    found = account(course)
    assert found.pod_hours == 8
    assert (found.most_pods, found.changes, found.most_seconds_behind) == (6, 2, 6)
    assert found.late_share == 0.3
    assert found.late_minutes == 30


def test_the_figures_are_of_the_settings_that_are_shipped(figures):
    """If this fails, a setting has changed since: `python -m deploy.autoscaling` makes the figures anew."""
    assert figures["settings"] == json.loads(json.dumps(report.settings()))


def test_the_page_has_the_figures(figures):
    page = (DOCS / "autoscaling.md").read_text()
    assert report.put_in(page, report.tables(figures["days"])) == page


def test_what_is_shipped_is_the_choice_that_the_figures_make(figures):
    salary = figures["days"]["salary"]
    shipped = salary["shipped"]
    assert shipped["late_share"] == 0
    for name in ("lag alone", "lag and seconds behind", "flow over 2 minutes", "pods 80 % busy"):
        assert salary[name]["late_share"] > shipped["late_share"], name
    assert shipped["pod_hours"] < salary["pods 60 % busy"]["pod_hours"]
    assert 3 * shipped["changes"] < salary["lag alone"]["changes"]
    for day in figures["days"].values():
        assert day["shipped"]["most_pods"] <= 20
