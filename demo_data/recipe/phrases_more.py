"""More English cues, with praise in words of blame and the other way round.

A bag of words is misled by "never pills" and "far from luxurious"; whoever reads the whole
sentence is not. The lists are joined to those of `phrases`.
"""

MORE_QUALITY: dict[int, list[str]] = {
    -2: [
        "Far from luxurious: the {fabric} sags, and the lining came loose on our sample.",
        "We hoped for something solid and got {fabric} that splits at the seam.",
        "Softness is not its strength; it itches, crackles and loses colour in the first wash.",
        "Buttons and clasps fell off two of the three that we tested.",
        "It looks sturdy but isn't, as anyone who pulls at the {fabric} will find out.",
        "Nothing here will survive a summer of real use.",
        "Sloppy work from a factory that was in a hurry.",
        "Glue marks and crooked edges betray how little care went into it.",
    ],
    -1: [
        "Not as soft as it looks, and you may want to be careful with the wash.",
        "You get what you pay for: usable {fabric}, no luxury.",
        "It wrinkles when you so much as look at it.",
        "The inside could have been finished better.",
        "We would have liked something heavier than {fabric}, but it will do for occasional use.",
        "After a dozen washes ours had lost some of its freshness.",
        "A touch stiff at first, and it never gets entirely comfortable.",
    ],
    0: [
        "Neither thick nor thin, and sewn the way most things are.",
        "About what you find elsewhere for this money: {fabric}, normal seams.",
        "The make is neither a reason to buy nor a reason not to.",
        "Usual materials, usual workmanship.",
        "Comparable with last year's in weight and finish.",
    ],
    1: [
        "No pilling, no twisting seams: after twenty washes ours still looked decent.",
        "Doesn't shrink, doesn't fade, and forgives rough handling.",
        "Better made than it needs to be at this level.",
        "There is nothing cheap about the {fabric}, and the zips run smoothly.",
        "You won't be disappointed when you turn it inside out.",
        "A reliable piece in {fabric}, agreeable all day long.",
        "Our tester wore hers for a month and found little to criticise.",
    ],
    2: [
        "It never pills, never sags, and ages more gracefully than we do.",
        "Cheap it is not, yet you could not tear this {fabric} if you tried.",
        "Twelve hours of handwork go into every piece, and not one stitch is out of place.",
        "We looked for a flaw and gave up.",
        "So gentle that sensitive skin forgets it is there, and strong enough for a lifetime.",
        "The mill has woven for royal households since 1840, and your fingers will know why.",
        "A masterpiece of its craft in {fabric}.",
        "Nothing rough, nothing loose, nothing left to chance.",
    ],
}

MORE_DESIRE: dict[int, list[str]] = {
    -2: [
        "No waiting list here: the cartons have been gathering dust.",
        "Even at half price hardly a soul picked it up.",
        "What was the must-have of another decade now leaves people cold.",
        "Stylists advise against it, and our customers seem to agree.",
        "We ordered far too many and cannot get rid of them.",
        "Last in our popularity ranking, and by some distance.",
        "Your friends are unlikely to ask where you got it.",
    ],
    -1: [
        "It hasn't quite won people over.",
        "More sensible than exciting, and few come into the shop for it.",
        "Its best days may be over, though some remain loyal.",
        "Turned fewer heads than we expected.",
        "Three stars out of five, with a shrug.",
        "Hard to get enthusiastic about, but it does no harm.",
    ],
    0: [
        "Sells as steadily as bread and about as noisily.",
        "You have seen it before and will see it again.",
        "Opinions balance out.",
        "It follows no fashion in particular.",
        "One of several in this line.",
    ],
    1: [
        "It is catching on: more people ask for it every month.",
        "Hardly a quiet seller any more, thanks to word of mouth.",
        "Something new at last, and nicely judged.",
        "Our youngest colleague and her grandmother both wanted one.",
        "Never out of place, and a little ahead of the others.",
        "Few who tried it on put it back.",
    ],
    2: [
        "We cannot keep it in stock; the phone doesn't stop ringing.",
        "Nobody who sees it walks past.",
        "The single thing that every fashion editor wore this month.",
        "Resold for twice its price the week after we ran out.",
        "Queues formed before the doors opened.",
        "A phenomenon: three reorders in a month and still not enough.",
        "If you buy one thing this year, you will not regret that it was this.",
    ],
}
