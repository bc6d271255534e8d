"""A real Cassandra node for tests.

CASSANDRA_CONTACT_POINTS names one that is there already. Otherwise a run starts one of its own (see `keeper`), which
all its processes share; TEST_CASSANDRA=0 leaves out what needs a node.
"""
