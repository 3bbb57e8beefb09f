"""The two admin sites and the base classes that every admin of Gatehouse is built on. Knows no app."""
