r"""Linear fits: coefficients, their prior, and how strong it should be.

`ridge` is the estimator; `groups` says which rows leave together when it is validated.
"""
