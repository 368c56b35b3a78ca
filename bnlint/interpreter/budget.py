"""The budgets: all count work or sizes, never seconds, so that answers do not depend on the machine."""

STEPS = 250_000
"""Steps of one course of one entry point."""

WORLDS = 12
"""Courses of one entry point."""

FEW_WORLDS = 4
"""Courses of an entry point whose first one is long."""

PAIR_WORLDS = 4
"""Courses of one entry point that bring together sides of two conditions."""

PAIRED = 16
"""Conditions of one entry point up to which two are brought together."""

LONG_COURSE = 3_000
"""Steps from which on a course is long."""

COURSE_STEPS = 120_000
"""Steps of all courses of one entry point, as far as the first one foretells them."""

DEPTH = 60
"""Nested calls of project functions."""

RECURSION = 6
"""How often one function may be on the stack at once."""

ROUNDS = 2
"""Rounds of a loop over something unknown."""

REPEATS = 400
"""Rounds of a loop over a range or of a ``while`` with a known test."""

LOOP_STEPS = 60_000
"""Steps of one loop or comprehension, with all that runs in it."""

ITEMS = 20_000
"""Items of one container."""

TEXT = 20_000
"""Characters of one string, bits of one integer."""

YIELDS = 2_000
"""Items taken from one generator."""
