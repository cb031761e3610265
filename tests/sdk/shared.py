"""The requests of all client tests to the simulator, and its responses: `say X` returns X, the weather in both cities returns
two calls of the first tool, and a required schema returns a place.
"""

from pydantic import BaseModel

TEXT = "Grüße aus Tromsø — 你好 🙂 and good night"
TOKENS = -(-len(TEXT.encode()) // 4)
CITIES = ["Oslo", "Tromsø"]
WEATHER = "The weather in both cities?"
REPORT = "The tool says: “snow in Oslo” and “snow in Tromsø”."
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


class Place(BaseModel):
    city: str
    people: int
    coastal: bool


PLACE = Place(city="Oslo", people=3, coastal=True)
