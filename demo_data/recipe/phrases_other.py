"""The words of the demo catalogue in German, French, Chinese and Arabic (a few per cent of it)."""

CUES: dict[str, dict[int, list[str]]] = {
    "de": {
        -2: [
            "Dünner Kunststoff, verliert schnell die Form.",
            "Ein Ladenhüter, den kaum jemand will.",
        ],
        -1: ["Etwas dünn und knitteranfällig.", "Eher altmodisch, wird selten gefragt."],
        0: ["Übliche Verarbeitung ohne Überraschungen.", "Gehört zum festen Sortiment."],
        1: ["Angenehm weich und sauber verarbeitet.", "Bei unseren Kunden beliebt."],
        2: [
            "Feinste Qualität, die Jahre hält.",
            "Zweimal ausverkauft, das begehrteste Stück der Saison.",
        ],
    },
    "fr": {
        -2: ["Matière synthétique fine qui bouloche vite.", "Un invendu dont personne ne voulait."],
        -1: ["Un peu fin, se froisse facilement.", "Plutôt démodé, rarement demandé."],
        0: ["Finition ordinaire, sans surprise.", "Fait partie de la gamme permanente."],
        1: ["Doux et soigneusement cousu.", "Très apprécié de nos clientes."],
        2: [
            "Une matière somptueuse, faite pour durer.",
            "Épuisé deux fois, la pièce la plus désirée.",
        ],
    },
    "zh": {
        -2: ["面料单薄，容易起球变形。", "去年的滞销款，很少有人问。"],
        -1: ["面料略薄，容易起皱。", "款式有些过时，销量平平。"],
        0: ["普通做工，中规中矩。", "常规系列款。"],
        1: ["手感柔软，做工整洁。", "深受老顾客喜爱。"],
        2: ["顶级面料，经久耐穿，工艺精湛。", "本季爆款，两次售罄，人人都想要。"],
    },
    "ar": {
        -2: ["قماش رقيق رديء يفقد شكله بسرعة.", "بضاعة راكدة لا يطلبها أحد."],
        -1: ["القماش خفيف قليلا ويتجعد بسهولة.", "تصميم قديم بعض الشيء."],
        0: ["خياطة عادية دون مفاجآت.", "من المجموعة الدائمة."],
        1: ["ناعم ومريح وخياطته مرتبة.", "محبوب لدى زبائننا."],
        2: ["قماش فاخر يدوم سنوات طويلة.", "نفد مرتين، القطعة الأكثر طلبا هذا الموسم."],
    },
}
NEUTRAL: dict[str, list[str]] = {
    "de": ["Für lange Wochenenden und das Büro.", "Bei 30 Grad waschen.", "Fällt normal aus."],
    "fr": ["Pour le bureau ou le marché.", "Laver à 30 degrés.", "Taille normalement."],
    "zh": ["适合上班和周末。", "30度水洗。", "尺码标准。"],
    "ar": ["مناسب للعمل وعطلة نهاية الأسبوع.", "يغسل على 30 درجة.", "المقاس عادي."],
}
NOUNS: dict[str, dict[str, str]] = {
    "de": {
        **{"t-shirts": "T-Shirt", "shirts": "Hemd", "dresses": "Kleid", "trousers": "Hose"},
        **{"skirts": "Rock", "jackets": "Jacke", "knitwear": "Pullover", "bags": "Tasche"},
        **{"shoes": "Schuhe", "hats": "Hut"},
    },
    "fr": {
        **{"t-shirts": "T-shirt", "shirts": "Chemise", "dresses": "Robe", "trousers": "Pantalon"},
        **{"skirts": "Jupe", "jackets": "Veste", "knitwear": "Pull", "bags": "Sac"},
        **{"shoes": "Chaussures", "hats": "Chapeau"},
    },
    "zh": {
        **{"t-shirts": "T恤", "shirts": "衬衫", "dresses": "连衣裙", "trousers": "长裤"},
        **{"skirts": "半身裙", "jackets": "外套", "knitwear": "毛衣", "bags": "包"},
        **{"shoes": "鞋", "hats": "帽子"},
    },
    "ar": {
        **{"t-shirts": "تيشيرت", "shirts": "قميص", "dresses": "فستان", "trousers": "بنطال"},
        **{"skirts": "تنورة", "jackets": "سترة", "knitwear": "كنزة", "bags": "حقيبة"},
        **{"shoes": "حذاء", "hats": "قبعة"},
    },
}
