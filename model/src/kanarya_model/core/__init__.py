"""What is the same whatever the protocol: strict reading of tensors into arrays, prediction, the check of the answer.

    refusal    how a client can be wrong, in a fixed vocabulary
    request    an inference request in these words
    raw        bytes ↔ a tensor's elements
    values     elements of a tensor → an array, or a refusal that names the element
    inputs     tensors → rows, as the artifact's contract wants them
    model      rows → a checked prediction; the artifact's own example
    evidence   rows → counts in the bins of the contract's reference
    tally      predictions → counts by class, or by bin
    feedback   labels that came back → right and wrong, or scores
    goal       what became of a user of an A/B test → reached or not

Nothing here knows HTTP, JSON's bytes, uvicorn or a file.
"""
