"""Behaviour: on probes of the field, on data of the user, and under a search for triggers."""
