"""What runs within the sandbox: the judge, the solver, and what locks them in. Standard library only.

These modules know nothing of the rest of the package: a bare interpreter imports them as the package `inside`.
"""
