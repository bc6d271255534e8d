"""Django's administration with a site of the product's own."""

from django.contrib.admin.apps import AdminConfig


class ProductAdminConfig(AdminConfig):
    default_site = "personas.admin_site.ProductAdminSite"
