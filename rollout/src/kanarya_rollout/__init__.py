"""The controller of the `ModelRollout` resource: `observe` → `decide` → `act`.

    observation  what was seen in one pass, as values; no I/O
    gates        one statistical test a file; pure
    decide       `decide(rollout, observation) -> Decision`; pure, time comes in
    ports        what is needed of the world: store, registry, serving, traffic, metrics
    observe      reads the ports into an Observation
    act          carries a Decision out, in the order that is safe at any crash
    controller   one pass (`reconcile`) and the loop
    testing      every port in memory, a clock, builders

Called by the controller's image and by `kanarya local`, which bring the adapters. Imports no other image.
"""
