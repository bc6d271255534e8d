"""Deployment to Azure, public and Government. No Django; vendor packages come with requirements-deploy.txt."""
