"""What is to run, whatever it runs on: the description that people write, and the workloads that follow from it.

No Django and no vendor's package: orchestration/azure, Compose and Kubernetes apply the same description.
"""
