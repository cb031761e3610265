"""Names that exist on the gateway under test: it would reject invented names before any other check."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    schemas["NewKey"]["properties"]["team"] = {"enum": ["research", "ops"]}
    for name, none in (("NewKey", []), ("KeyPatch", [None])):
        properties = schemas[name]["properties"]
        properties["app"] = {"enum": ["chatbot", *none]}
        properties["models"]["items"] = {"enum": ["chat", "mini", "*", "c*t"]}
        properties["sources"]["items"] = {"enum": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}
    for name in ("Budget", "BudgetPatch"):
        del schemas[name]["properties"]["then_model"]
