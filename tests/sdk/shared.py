"""What the tests of all clients ask of the simulator, and what it answers: `say X` with X, two calls of the first tool when
asked for the weather in both cities, and a place where the answer must follow a schema.
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
