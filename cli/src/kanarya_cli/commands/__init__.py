"""One file a noun. Each parses, calls what does the work, and prints; none decides anything."""
