"""The rules by their keys, in the order in which people read them."""

from . import bulk, changes, keys, sign_ins, trouble, usage
from .rules import Rule

RULES: dict[str, Rule] = {
    rule.key: rule for rule in (*sign_ins.RULES, *changes.RULES, *keys.RULES, *bulk.RULES, *usage.RULES, *trouble.RULES)
}
