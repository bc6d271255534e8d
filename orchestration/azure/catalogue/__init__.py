"""What a deployment on Azure is made of, one module a kind: each gives nodes for a description."""
