"""Runs the guests before the tests are collected: each test of a guest is one here, and which there are is known only then."""
import os
import sys

import machine
import matrix
import pytest


def pytest_sessionstart(session):
    session.config.guests, session.config.no_guests = [], None
    if session.config.option.collectonly or os.environ.get("CRYPTNONO_RESULTS") == "keep":
        session.config.guests = matrix.chosen()
        return
    guests = matrix.chosen()
    if len(guests) < len(matrix.table()):
        print(f"NARROWED by CRYPTNONO_GUESTS to {', '.join(guest.name for guest in guests)}", file=sys.stderr)
    try:
        made_of = matrix.fetch(guests)
    except machine.NoMirror as error:
        session.config.no_guests = str(error)
        return
    matrix.run(guests, *made_of)
    session.config.guests = guests


@pytest.fixture(scope="session")
def guests(request):
    """All that ran. What depends on all of them says so if they are fewer."""
    if request.config.no_guests:
        pytest.skip(request.config.no_guests)
    return request.config.guests
