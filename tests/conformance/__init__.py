"""What every back end must do: scenarios against the simulated gateway, through the protocol only.

Each module of scenarios is data for ``test_scenarios.py``, which runs every scenario with every
back end over every family. A scenario names the RFC section or the fact that it holds to.
"""
