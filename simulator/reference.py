"""The country the switch is in, as tables: cities, banks, apps with their handles, merchant categories, names.

Figures are rounded from what NPCI and the Reserve Bank of India publish for 2025; they set proportions, nothing more.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class City(NamedTuple):
    """Where people live: degrees, and a weight by how much of the country's payments come from there."""

    name: str
    latitude: float
    longitude: float
    weight: float


class App(NamedTuple):
    """A payment app with the handles its VPAs carry."""

    name: str
    handles: tuple[str, ...]
    weight: float


class Category(NamedTuple):
    """A kind of merchant: share of merchant payments, median ticket in rupees, spread of its logarithm."""

    mcc: int
    name: str
    weight: float
    median: float
    spread: float
    online: float
    """Share of its merchants that sell online."""


CITIES: Final = (
    City("Mumbai", 19.0760, 72.8777, 10.0),
    City("Bengaluru", 12.9716, 77.5946, 9.5),
    City("Delhi", 28.6139, 77.2090, 9.0),
    City("Hyderabad", 17.3850, 78.4867, 7.5),
    City("Pune", 18.5204, 73.8567, 5.5),
    City("Chennai", 13.0827, 80.2707, 5.0),
    City("Kolkata", 22.5726, 88.3639, 4.0),
    City("Ahmedabad", 23.0225, 72.5714, 3.5),
    City("Lucknow", 26.8467, 80.9462, 3.5),
    City("Jaipur", 26.9124, 75.7873, 3.5),
    City("Patna", 25.5941, 85.1376, 3.0),
    City("Indore", 22.7196, 75.8577, 2.5),
    City("Nagpur", 21.1458, 79.0882, 2.5),
    City("Vijayawada", 16.5062, 80.6480, 2.5),
    City("Visakhapatnam", 17.6868, 83.2185, 2.5),
    City("Kochi", 9.9312, 76.2673, 2.0),
    City("Surat", 21.1702, 72.8311, 2.0),
    City("Kanpur", 26.4499, 80.3319, 2.0),
    City("Bhopal", 23.2599, 77.4126, 2.0),
    City("Coimbatore", 11.0168, 76.9558, 1.8),
    City("Bhubaneswar", 20.2961, 85.8245, 1.8),
    City("Guwahati", 26.1445, 91.7362, 1.5),
    City("Ranchi", 23.3441, 85.3096, 1.5),
    City("Chandigarh", 30.7333, 76.7794, 1.5),
    City("Ludhiana", 30.9010, 75.8573, 1.3),
    City("Mysuru", 12.2958, 76.6394, 1.3),
    City("Varanasi", 25.3176, 82.9739, 1.3),
    City("Nashik", 19.9975, 73.7898, 1.2),
    City("Jamtara", 23.9629, 86.8020, 0.3),
    City("Mewat", 28.1024, 77.0014, 0.3),
)

BANKS: Final = (
    "", "SBIN", "HDFC", "ICIC", "UTIB", "KKBK", "PUNB", "BARB", "CNRB", "UBIN", "YESB", "IDFB", "INDB", "BKID", "IBKL",
    "AIRP", "FDRL", "IDIB", "MAHB", "AUBL", "PYTM",
)  # fmt: skip
"""First letters of the IFSC; index 0 stands for not given."""

BANK_WEIGHTS: Final = (
    0, 26, 9.5, 6.5, 5.5, 4.5, 7.5, 7.0, 5.0, 6.5, 2.0, 2.0, 1.5, 3.5, 1.0, 3.5, 1.5, 3.0, 2.0, 1.0, 1.0,
)  # fmt: skip

APPS: Final = (
    App("", (), 0),
    App("phonepe", ("ybl", "ibl", "axl"), 46),
    App("gpay", ("okaxis", "okhdfcbank", "oksbi", "okicici"), 35),
    App("paytm", ("ptsbi", "ptaxis", "ptyes", "pthdfc"), 7),
    App("navi", ("naviaxis",), 3),
    App("superyes", ("superyes",), 2.5),
    App("bhim", ("upi",), 2.5),
    App("cred", ("axisb",), 1.5),
    App("amazonpay", ("apl", "yapl"), 1.0),
    App("whatsapp", ("waaxis", "waicici"), 0.8),
    App("bankapp", ("sbi", "kotak", "pnb", "barodampay"), 0.7),
)
"""Index 0 stands for not given."""

SHOP_HANDLES: Final = ("ybl", "paytm", "okbizaxis", "axl", "hdfcbank", "yesbankltd", "icici", "fbpe")

CATEGORIES: Final = (
    Category(5411, "groceries", 24.0, 95, 0.95, 0.10),
    Category(5814, "fast food", 9.0, 75, 0.85, 0.25),
    Category(5812, "restaurants", 8.5, 130, 0.95, 0.20),
    Category(4814, "telecom", 5.5, 260, 0.60, 1.00),
    Category(5541, "fuel", 5.0, 210, 0.80, 0.00),
    Category(5912, "pharmacies", 4.0, 150, 1.00, 0.15),
    Category(5816, "games", 4.5, 70, 1.10, 1.00),
    Category(5462, "bakeries", 3.5, 55, 0.80, 0.05),
    Category(5451, "dairies", 4.0, 50, 0.70, 0.05),
    Category(4900, "utilities", 2.5, 780, 0.85, 1.00),
    Category(4121, "taxis", 3.5, 140, 0.80, 0.70),
    Category(4111, "local transport", 3.0, 30, 0.60, 0.40),
    Category(5311, "department stores", 2.5, 420, 1.00, 0.20),
    Category(5262, "marketplaces", 4.0, 480, 1.05, 1.00),
    Category(5651, "clothing", 2.2, 780, 0.90, 0.25),
    Category(5732, "electronics", 1.2, 1_500, 1.20, 0.40),
    Category(7322, "debt collection", 1.3, 3_400, 1.00, 1.00),
    Category(6211, "securities brokers", 1.0, 2_200, 1.30, 1.00),
    Category(8062, "hospitals", 0.7, 700, 1.25, 0.05),
    Category(8211, "schools", 0.4, 4_000, 1.10, 0.50),
    Category(6300, "insurance", 0.3, 2_600, 1.00, 1.00),
    Category(4722, "travel", 1.0, 1_300, 1.15, 1.00),
    Category(5944, "jewellery", 0.2, 6_000, 1.30, 0.05),
    Category(5993, "tobacco", 2.2, 28, 0.60, 0.00),
    Category(7230, "salons", 1.3, 190, 0.70, 0.05),
    Category(5499, "street food and stalls", 7.0, 38, 0.75, 0.00),
    Category(7299, "services", 2.7, 250, 1.10, 0.30),
)

FIRST_NAMES: Final = (
    "aarav", "ajay", "akash", "amit", "anita", "anjali", "arjun", "asha", "deepak", "divya", "farhan",
    "gaurav", "geeta", "harish", "imran", "isha", "jyoti", "karan", "kavita", "kiran", "lakshmi", "manish", "meena",
    "mohan", "nandini", "neha", "nikhil", "pooja", "pradeep", "priya", "rahul", "rajesh", "rakesh", "ravi", "rekha",
    "rohan", "sanjay", "sara", "shreya", "sneha", "sunil", "sunita", "suresh", "tanvi", "uday", "varun",
    "vijay", "vikram", "yash", "zoya",
)  # fmt: skip

LAST_NAMES: Final = (
    "agarwal", "banerjee", "bhat", "chauhan", "das", "desai", "ghosh", "gill", "gupta", "iyer", "jain",
    "joshi", "kapoor", "khan", "kulkarni", "kumar", "mehta", "mishra", "nair", "naidu", "pandey", "patel", "patil",
    "pillai", "rao", "reddy", "roy", "saxena", "shah", "sharma", "singh", "sinha", "thomas", "tiwari", "varma",
    "verma", "yadav",
)  # fmt: skip

SHOP_NAMES: Final = (
    "annapurna", "balaji", "bharat", "citymart", "freshday", "ganesh", "gayatri", "goodwill", "kaveri",
    "krishna", "laxmi", "mahalaxmi", "metro", "national", "new", "om", "royal", "sagar", "sai", "shakti", "shree",
    "sunrise", "super", "swastik", "tirupati", "unique", "vaishnavi", "welcome",
)  # fmt: skip
