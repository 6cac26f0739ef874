"""Several models and versions in one process, from one directory: what lies there, what answers, what takes its place.

places    the directory: names, versions, which one is meant
asked     what a client asks, read
index     what there is to say of every version
loading   `Repository`: the two verbs, load and unload
"""

from kanarya_model.repository.index import Entry, State
from kanarya_model.repository.loading import CannotLoad, Repository
from kanarya_model.repository.places import Places, Unknown

__all__ = ["CannotLoad", "Entry", "Places", "Repository", "State", "Unknown"]
