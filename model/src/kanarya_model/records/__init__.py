"""What is written down about single requests. Each kind is off unless it is asked for, and costs a request nothing then.

access      a line of JSON a request, on standard output
requests    requests with their answers, drawn at random, as Parquet files; table makes them, place writes them
spans       of requests, to an OpenTelemetry collector
"""
