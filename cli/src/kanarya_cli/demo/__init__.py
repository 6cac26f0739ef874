"""`make demo`: the story of the README on one machine, every claim in it checked.

story    the chapters, in order; drives the same functions as the commands do
clients  a program of its own that sends real requests through the gateway, sends labels back, and counts; no retries
record   what happened, as `demo.json`
claims   what the story promises, held against the record     (pure)
stage    lines for everyone, a live picture for a terminal
"""
