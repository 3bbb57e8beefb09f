"""The query language of the log: text → terms → conditions."""

from .conditions import Conditions, Places, conditions_of
from .errors import QueryError
from .terms import Query, Term, Value
from .text import LONGEST, parse

__all__ = ["LONGEST", "Conditions", "Places", "Query", "QueryError", "Term", "Value", "conditions_of", "parse"]
