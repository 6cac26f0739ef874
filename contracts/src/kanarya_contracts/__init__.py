"""The words Kanarya's parts share, and nothing that runs.

Every other package imports this one; this one imports the standard library and pydantic alone and does no I/O
(`lint-imports` holds both). A name enters when two parts use it.

    names      labels, annotations, aliases, tags, condition types and reasons
    metrics    metric and label names, histogram buckets
    datatypes  the V2 protocol's datatypes
    artifact   `kanarya.json`: what a model version says about itself
    rollout    the `ModelRollout` resource, spec and status
    serving    the part of KServe's `InferenceService` that Kanarya reads
    quantities durations and decimal strings as Kubernetes writes them
    problems   errors that name the field, the value and what was expected, all at once
    skops_types  which types a skops file may hold
    testing    valid contracts and rollouts, for everybody's tests
"""
