"""The words of the demo catalogue in English.

A small grammar: [one|two] picks one of the choices, {fabric} is filled from `FABRICS`.
`QUALITY` and `DESIRE` are sorted by what they tell, -2 (poor, unwanted) to 2 (fine, wanted);
the neutral lists carry no sales effect.
"""

LEVELS = (-2, -1, 0, 1, 2)

FABRICS: dict[str, dict[int, str]] = {
    "clothes": {
        -2: "[thin polyester|cheap viscose mix|scratchy acrylic|see-through synthetic jersey]",
        -1: "[light synthetic mix|simple polycotton|thinner jersey|basic acrylic blend]",
        0: "[cotton blend|mixed fibres|plain cotton|everyday twill]",
        1: "[combed cotton|soft modal|washed linen|tightly knitted cotton|smooth lyocell]",
        2: (
            "[organic long-staple cotton|pure merino|heavy silk|Italian virgin "
            "wool|stonewashed linen]"
        ),
    },
    "bags": {
        -2: "[thin imitation leather|flimsy plastic|papery nylon]",
        -1: "[light nylon|coated polyester|simple vinyl]",
        0: "[coated canvas|cotton canvas|mixed materials]",
        1: "[sturdy canvas|grained leather|recycled sailcloth]",
        2: "[full-grain leather|hand-waxed canvas|vegetable-tanned hide]",
    },
    "shoes": {
        -2: "[stiff plastic|thin imitation leather|brittle vinyl]",
        -1: "[synthetic upper|coated textile|simple mesh]",
        0: "[mixed leather|textile upper|smooth upper]",
        1: "[soft nappa|supple suede|padded leather]",
        2: "[full-grain calf|hand-stitched leather|Goodyear-welted leather]",
    },
    "hats": {
        -2: "[papery felt|thin polyester|scratchy acrylic]",
        -1: "[light synthetic felt|polycotton|basic acrylic]",
        0: "[cotton twill|wool mix|mixed fibres]",
        1: "[brushed cotton|soft wool|tightly woven straw]",
        2: "[pure wool felt|baby alpaca|hand-blocked felt]",
    },
}

QUALITY: dict[int, list[str]] = {
    -2: [
        "The {fabric} [feels rough|is hard on the skin] and [may pill|bobbles] after a few wears.",
        "[Seams|Edges] are left raw in places and [loose threads|uneven stitches] are to "
        "be expected.",
        "[Frankly|To be honest], the {fabric} [loses its shape|goes limp] quickly.",
        "Made [to a price|as cheaply as possible], and it shows: {fabric}, "
        "[weak|crooked] stitching.",
        "[Some buyers|Customers] [complain|report] that it [tears|fades|falls apart] within weeks.",
        "[A strong chemical smell|A plastic smell] on arrival [fades only slowly|is normal].",
        "Don’t expect it to last more than [a season|a few outings]; the {fabric} is fragile.",
        "[Returned often|Many come back] because the finish [disappoints|is careless].",
    ],
    -1: [
        "The {fabric} is [a little thin|on the light side] and [creases easily|wants "
        "gentle handling].",
        "[Simple|Plain] finishing keeps the cost down, so [small flaws|slight "
        "differences] can occur.",
        "[May shrink|Can shrink a little] if you are not careful.",
        "{fabric}, [less soft|less sturdy] than what we [usually|otherwise] offer.",
        "[Fine for now and then|All right for a season], though [not our sturdiest|not "
        "built for years].",
        "The {fabric} [can cling|crackles a bit] and [doesn’t breathe much|gets warm].",
        "Stitching is [basic|uneven here and there] but holds.",
    ],
    0: [
        "Made of {fabric}, [as you would expect|in the usual weight].",
        "[Standard|Ordinary] finishing, {fabric}, [nothing more and nothing less|no surprises].",
        "The {fabric} does [its job|what it should].",
        "[Regular|Normal] {fabric} with [machine-sewn|ordinary] seams.",
        "{fabric} of [average|medium] weight.",
    ],
    1: [
        "The {fabric} is [pleasantly soft|comfortable from the first day] and [holds up "
        "well|wears in nicely].",
        "[Neat|Clean] seams and {fabric} that [stays smooth|keeps its form] [wash after "
        "wash|through the week].",
        "[Good, solid|Well-made] {fabric} that [feels nice to the touch|sits lightly on the skin].",
        "[Reinforced|Double-stitched] where it matters, in {fabric}.",
        "{fabric} with [some body|a pleasing hand], [made to be worn a lot|better than "
        "the price suggests].",
        "[Carefully|Tidily] finished inside and out; the {fabric} [breathes|doesn’t itch].",
    ],
    2: [
        "[Softly brushed|Beautifully woven] {fabric} that [keeps its shape|stays lovely] "
        "for years.",
        "Cut and sewn by [a small family workshop|master tailors|skilled hands] from "
        "{fabric}; [flawless|exquisite] inside too.",
        "[Luxurious|Sumptuous] {fabric}, [the finest we could find|a joy to touch].",
        "[Built to last a decade|Made to be handed down]: {fabric}, [bound "
        "seams|stitching of rare precision].",
        "You [notice|feel] the [superb|outstanding] {fabric} [at once|the moment you put it on].",
        "Every detail is [considered|perfect], from the {fabric} to the [hidden "
        "seams|polished finish].",
        "[Exceptional|Premium] {fabric}, guaranteed by the maker for [five|ten] years.",
    ],
}

DESIRE: dict[int, list[str]] = {
    -2: [
        "[Leftover stock|Remainders] from an older line that [nobody asked for|never "
        "found its buyers].",
        "[Out of step|Dated], we admit, and [rarely chosen|mostly ignored] in the shop.",
        "A [clumsy|dull] piece that [has had its day|few people look at twice].",
        "[We will not order it again|It is leaving the range]: interest has been [very "
        "low|close to nil].",
        "It sat [unnoticed|untouched] on the shelf [all last year|for months].",
    ],
    -1: [
        "[A bit old-fashioned|Rather conservative], for those who [don’t follow|care "
        "little about] trends.",
        "[Not the most exciting|Hardly the star] of the range, [it must be said|but serviceable].",
        "[A quiet seller|Asked for only now and then] so far.",
        "[Something of a compromise|An unassuming choice] when [nothing else is at "
        "hand|you need a spare].",
        "The idea [feels familiar|has been around], and reactions were [lukewarm|mixed].",
    ],
    0: [
        "Part of the [regular|permanent] range.",
        "[An ordinary|A usual] choice for [most|many] people.",
        "[Neither loud nor shy|Middle of the road].",
        "[Available again|Back] as [every year|before].",
        "Does [well enough|fine] with [what you own|the rest].",
    ],
    1: [
        "[Customers like|People appreciate] how [easily|well] it [combines|goes with "
        "what they have].",
        "[A fresh idea|A modern touch] that [gets kind remarks|turns a few heads].",
        "[Popular|Well liked] with our [regulars|colleagues], and [easy to see why|deservedly so].",
        "[Feels current|Right for now] without [shouting|trying too hard].",
        "Reviewers [gave it four stars|were pleased] and [would buy it again|recommend it].",
        "A [charming|clever] take that [lifts|brightens] [any day|a plain outfit].",
    ],
    2: [
        "[Sold out twice|Gone within days] [last season|at the launch], and the waiting "
        "list [is long|keeps growing].",
        "[Everyone is talking about|Stylists can’t stop praising] this one, [the "
        "must-have|the talk] of the season.",
        "[Award-winning|Celebrated] design, seen on [runways|magazine covers] from "
        "[Milan|Paris|Seoul].",
        "[Instantly|Utterly] irresistible: [friends will ask where you got it|you will "
        "want a second one].",
        "[Our most wanted|The most coveted] piece, [rated five stars|adored] by "
        "[hundreds|everyone who tried it].",
        "A [future classic|true icon] that [makes hearts beat faster|people fall in love with].",
    ],
}

STORY = [
    "[Designed|Drawn] in [a studio by the harbour|our atelier in Lisbon|a loft in "
    "Ghent] [one rainy week|last winter].",
    "[Made in|Sewn in] [Portugal|Turkey|India|Poland|Vietnam|Morocco].",
    "The name comes from [a street|an aunt|a fishing village|a ferry] we [remember|know] well.",
    "[Ships|Sent] in [a paper bag|a small box|a reused carton].",
    "Shown [on a table|as it lies], photographed [in our own rooms|by our team].",
    "Part of the [coast|city|garden|travel] [story|chapter].",
    "Numbered inside, like everything from this [maker|house].",
]
OCCASION = [
    "For [long weekends|the office|the school run|city walks|train journeys|dinner at home].",
    "[Think of|Picture] [a picnic|a late lunch|market mornings|a concert|a wedding far away].",
    "[Works|Goes] from [desk to dinner|Monday to Sunday|morning to evening].",
    "Pack it for [the mountains|the sea|a short trip|the festival].",
    "Meant for [warm days|cool evenings|windy afternoons|layering].",
]
FIT = [
    "[Take|Order] your usual size.",
    "[Fits true to size|Runs true to size]; our model is [1.72|1.78|1.84] m tall.",
    "Between two sizes? [Take the smaller|Take the larger] one.",
    "See the size table for [exact measures|centimetres].",
]
CARE = [
    "[Machine wash|Wash] at [30|40] degrees, [dry flat|line dry].",
    "[Wipe with a damp cloth|Spot clean only].",
    "Do not [tumble dry|bleach]; iron [low|on the reverse].",
    "[Store dry|Keep away from direct sun].",
    "Care label [inside|on the side seam].",
]
EMOJI = ["✨", "🌿", "🧵", "☀️", "🛍️", "❄️", "💚"]

NAMES = [
    *("Alma", "Bruno", "Cleo", "Dora", "Elin", "Fenna", "Greta", "Hugo", "Ines", "Juno", "Kaja"),
    *(
        "Lio",
        "Mara",
        "Nils",
        "Olea",
        "Pia",
        "Quinn",
        "Runa",
        "Sofi",
        "Tove",
        "Una",
        "Vito",
        "Wanda",
    ),
    *(
        "Xenia",
        "Yara",
        "Zoé",
        "Harbour",
        "Meadow",
        "Nord",
        "Atlas",
        "Brook",
        "Cedar",
        "Dune",
        "Ember",
    ),
]
NOUNS: dict[str, list[str]] = {
    "t-shirts": ["T-shirt", "tee", "jersey top"],
    "shirts": ["shirt", "button-up", "shirt with collar"],
    "dresses": ["dress", "day dress", "frock"],
    "trousers": ["trousers", "pants", "slacks"],
    "skirts": ["skirt", "day skirt"],
    "jackets": ["jacket", "coat", "outer jacket"],
    "knitwear": ["jumper", "knit", "pullover"],
    "bags": ["bag", "handbag", "everyday bag"],
    "shoes": ["shoes", "pair of shoes", "footwear"],
    "hats": ["hat", "headwear", "hat for all days"],
}
