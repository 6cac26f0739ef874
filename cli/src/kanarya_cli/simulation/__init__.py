"""Many rollouts at once, on invented traffic: how often a rule is wrong, how long it takes, whom it exposes.

Used by `kanarya simulate` and by `make bench-decisions`. Arrays over rollouts; chance comes from one seeded generator.

    traffic   what happens: requests, errors, slow answers, labels, and what goes wrong with counting them
    rules     a rule that looks once a minute and moves a weight; those that other tools document
    evidence  our gates' e-processes over arrays
    ours      our steps and gates, as a rule
    run       one rule on one traffic
    picture   results as a table and a plot
    users     A/B tests, one after another, by the gate itself; `users_picture` shows them

The rule that is ours is the controller's `decide` written over arrays, because a thousand rollouts one after another would
take minutes. It is held to the original: the same windows through `kanarya_rollout.replay` give the same weights and the same
verdicts (tests/component/cli/test_simulation.py, and again in each run of the benchmark).
"""
