"""Items as the Retail Prices API gives them. EVERY PRICE HERE IS MADE UP, so that sums can be checked by head."""

from __future__ import annotations

from typing import Any


def item(service: str, product: str, sku: str, meter: str, unit: str, price: float, **more: Any) -> dict[str, Any]:
    """As the API gives one; the price is made up."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "armRegionName": "westeurope",
        "meterName": meter,
        "productName": product,
        "skuName": sku,
        "serviceName": service,
        "unitOfMeasure": unit,
        "type": "Consumption",
        "armSkuName": "",
    } | more


ACI, COSMOS, POSTGRESQL = "Container Instances", "Azure Cosmos DB", "Azure Database for PostgreSQL"
BURSTABLE = f"{POSTGRESQL} Flexible Server Burstable BS Series Compute"
MADE_UP = [
    item(ACI, ACI, "Standard", "Standard vCPU Duration", "1 Hour", 0.5),
    item(ACI, ACI, "Standard", "Standard Memory Duration", "1 GB Hour", 0.25),
    item(ACI, ACI, "Standard Spot", "Standard Spot vCPU Duration", "1 Hour", 0.1),
    item(COSMOS, f"{COSMOS} autoscale", "AP1", "AP1 100 RUs", "1/Hour", 2.0),
    item(COSMOS, COSMOS, "RUs", "Data Stored", "1 GB/Month", 3.0),
    item(POSTGRESQL, BURSTABLE, "B1MS", "B1MS", "1 Hour", 0.1),
    item(POSTGRESQL, "Az DB for PostgreSQL Flexible Server Storage", "Storage", "Storage Data Stored", "1 GB/Month", 4),
    item("Storage", "Files v2", "Standard LRS", "LRS Data Stored", "1 GB/Month", 0.5),
    item("Container Registry", "Container Registry", "Basic", "Basic Registry Unit", "1/Day", 6.0),
    item("NAT Gateway", "NAT Gateway", "Standard", "Standard Gateway", "1 Hour", 1.0, armRegionName="Global"),
    item("Virtual Network", "IP Addresses", "Standard", "Standard IPv4 Static Public IP", "1 Hour", 0.2),
    item(
        *("Virtual Network", "Virtual Network Private Link", "Standard", "Standard Private Endpoint", "1 Hour", 0.3),
        armRegionName="Global",
    ),
    item("Azure DNS", "Azure DNS", "Private", "Private Zone", "1/Month", 7.0, armRegionName=""),
    item("Foundry Tools", "Face", "Standard", "Standard Transactions", "1K", 1.0),
    item("Foundry Tools", "Face", "Standard", "Standard Transactions", "1K", 0.5, tierMinimumUnits=100.0),
    item("Log Analytics", "Log Analytics", "Analytics Logs", "Analytics Logs Data Ingestion", "1 GB", 0.0),
    item(
        *("Log Analytics", "Log Analytics", "Analytics Logs", "Analytics Logs Data Ingestion", "1 GB", 2.0),
        tierMinimumUnits=5.0,
    ),
    item("Key Vault", "Key Vault", "Standard", "Operations", "10K", 8.0),
    item("Virtual Machines", "DSv2 Series", "DS2 v2", "DS2 v2", "1 Hour", 0.9, armSkuName="Standard_DS2_v2"),
    item("Virtual Machines", "DSv2 Series Windows", "DS2 v2", "DS2 v2", "1 Hour", 5, armSkuName="Standard_DS2_v2"),
    item("Virtual Machines", "DSv2 Series", "DS2 v2 Spot", "DS2 v2 Spot", "1 Hour", 3, armSkuName="Standard_DS2_v2"),
]
