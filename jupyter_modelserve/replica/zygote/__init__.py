"""The zygote: one process per environment that has imported and warmed what its workers need, and is forked for each.

It never sees a served model. Linux only; standard library only until it warms.
"""
