"""What shows the country of a list: data for `draft_region`, one table for each kind of evidence.

All words are compared as `words_of` gives them: lower case, without accents, cut at signs. Tables
hold what is frequent, not what is complete: a list has many rows, and a few that tell suffice.
"""

from __future__ import annotations

import re

SPOKEN: dict[str, str] = {
    "hu": "HU",
    "de": "DE AT CH",
    "fr": "FR BE CH",
    "it": "IT CH",
    "es": "ES MX AR CO CL",
    "pt": "PT BR",
    "nl": "NL BE",
    "pl": "PL",
    "cs": "CZ",
    "sk": "SK",
    "ro": "RO",
    "hr": "HR",
    "sl": "SI",
}
"""Where a language of headers is spoken. English is not here: headers are English everywhere."""

ENGLISH = "US GB IE CA AU NZ"
"""Where English headers are no choice but the language of the country."""

NEAR = "AT CH CZ DE FR GB HR HU IT PL RO SI SK US"
"""Whose lists are met with most."""

COUNTRIES: dict[str, str] = {
    "AT": "austria, osterreich, oesterreich, ausztria, aut",
    "AU": "australia, ausztralia, australien",
    "BE": "belgium, belgien, belgique, belgie",
    "BG": "bulgaria, bulgarien",
    "BR": "brazil, brasil, brasilien",
    "CA": "canada, kanada",
    "CH": "switzerland, schweiz, suisse, svizzera, svajc, che",
    "CZ": "czechia, czech republic, tschechien, csehorszag, cesko, ceska republika, cze",
    "DE": "germany, deutschland, nemetorszag, allemagne, germania, niemcy, nemecko, deu, ger",
    "DK": "denmark, danmark, danemark",
    "EE": "estonia, eesti, estland",
    "ES": "spain, espana, spanien, spanyolorszag, espagne, esp",
    "FI": "finland, suomi, finnland",
    "FR": "france, frankreich, franciaorszag, francia, fra",
    "GB": "united kingdom, great britain, england, scotland, wales, uk, gbr, grossbritannien",
    "GR": "greece, griechenland, hellas",
    "HR": "croatia, kroatien, hrvatska, horvatorszag, hrv",
    "HU": "hungary, ungarn, magyarorszag, magyar, hongrie, ungheria, madarsko, ungaria, wegry, hun",
    "IE": "ireland, irland, eire",
    "IN": "india, indien",
    "IT": "italy, italien, italia, olaszorszag, italie, ita",
    "LT": "lithuania, lietuva, litauen",
    "LU": "luxembourg, luxemburg",
    "LV": "latvia, latvija, lettland",
    "MX": "mexico, mexiko",
    "NL": "netherlands, the netherlands, nederland, niederlande, holland, hollandia, nld",
    "NO": "norway, norge, norwegen",
    "NZ": "new zealand, neuseeland",
    "PL": "poland, polska, polen, lengyelorszag, pol",
    "PT": "portugal, portugalia, prt",
    "RO": "romania, rumanien, rou",
    "RS": "serbia, serbien, srbija, szerbia",
    "RU": "russia, russland, rossiya, россия",
    "SE": "sweden, sverige, schweden",
    "SI": "slovenia, slowenien, slovenija, szlovenia, svn",
    "SK": "slovakia, slowakei, slovensko, szlovakia, slovak republic, svk",
    "TR": "turkey, turkiye, turkei",
    "UA": "ukraine, ukraina, україна",
    "US": "united states, united states of america, usa, us, america, vereinigte staaten",
    "ZA": "south africa, sudafrika",
}
"""Names of countries, in their own language and those of their neighbours; codes apart."""

CITIES: dict[str, str] = {
    "AT": "wien, vienna, graz, linz, salzburg, innsbruck, klagenfurt, villach, wels, st polten, "
    "sankt polten, dornbirn, wiener neustadt, steyr, feldkirch, bregenz, leonding, "
    "klosterneuburg, baden bei wien, wolfsberg, leoben, krems, traun, amstetten, "
    "lustenau, kapfenberg, hallein, modling, kufstein, traiskirchen, schwechat, braunau, "
    "stockerau, saalfelden, ansfelden, tulln, hohenems, spittal, telfs, ternitz, "
    "perchtoldsdorf, eisenstadt, zell am see, bludenz, gmunden",
    "AU": "sydney, melbourne, brisbane, perth, adelaide, gold coast, canberra, hobart, darwin, "
    "geelong, cairns, wollongong, townsville",
    "BE": "bruxelles, brussel, brussels, antwerpen, anvers, gent, liege, charleroi, brugge, "
    "namur, leuven, mons, mechelen, aalst, hasselt, kortrijk, oostende",
    "BG": "sofia, plovdiv, varna, burgas, ruse, stara zagora, pleven, sliven, софия, пловдив",
    "BR": "sao paulo, rio de janeiro, brasilia, salvador, fortaleza, belo horizonte, curitiba, "
    "porto alegre, recife, manaus, campinas",
    "CA": "toronto, montreal, vancouver, calgary, edmonton, ottawa, winnipeg, quebec, hamilton, "
    "halifax, mississauga, brampton",
    "CH": "zurich, geneve, genf, basel, lausanne, bern, winterthur, luzern, st gallen, sankt "
    "gallen, lugano, biel, thun, bellinzona, koniz, fribourg, schaffhausen, chur, "
    "vernier, neuchatel, uster, sion, lancy, emmen, zug, yverdon, kriens, rapperswil, "
    "dubendorf, dietikon, montreux, frauenfeld, wetzikon, baar, aarau, solothurn, olten, "
    "wil",
    "CZ": "praha, prague, brno, ostrava, plzen, liberec, olomouc, ceske budejovice, hradec "
    "kralove, usti nad labem, pardubice, zlin, havirov, kladno, most, opava, frydek "
    "mistek, karvina, jihlava, teplice, decin, karlovy vary, chomutov, jablonec, mlada "
    "boleslav, prostejov, prerov, ceska lipa, trebic, trinec, tabor, znojmo, pribram, "
    "cheb, kolin",
    "DE": "berlin, hamburg, munchen, munich, koln, cologne, frankfurt, frankfurt am main, "
    "stuttgart, dusseldorf, leipzig, dortmund, essen, bremen, dresden, hannover, "
    "nurnberg, duisburg, bochum, wuppertal, bielefeld, bonn, munster, mannheim, "
    "karlsruhe, augsburg, wiesbaden, monchengladbach, gelsenkirchen, aachen, "
    "braunschweig, chemnitz, kiel, halle, magdeburg, freiburg, krefeld, mainz, lubeck, "
    "erfurt, oberhausen, rostock, kassel, hagen, potsdam, saarbrucken, hamm, "
    "ludwigshafen, oldenburg, osnabruck, leverkusen, heidelberg, solingen, darmstadt, "
    "herne, neuss, regensburg, paderborn, ingolstadt, offenbach, wurzburg, furth, ulm, "
    "heilbronn, pforzheim, wolfsburg, bottrop, gottingen, reutlingen, koblenz, "
    "bremerhaven, erlangen, jena, remscheid, trier, salzgitter, siegen, gutersloh, "
    "hildesheim, cottbus, kaiserslautern, fulda, bamberg, bayreuth, konstanz, weimar, "
    "schwerin, gera, passau, worms, giessen, marburg, celle, rosenheim, landshut",
    "DK": "kobenhavn, copenhagen, aarhus, odense, aalborg, esbjerg, randers, kolding, horsens, "
    "vejle, roskilde",
    "EE": "tallinn, tartu, narva, parnu",
    "ES": "madrid, barcelona, valencia, sevilla, zaragoza, malaga, murcia, palma, palma de "
    "mallorca, las palmas, bilbao, alicante, cordoba, valladolid, vigo, gijon, "
    "hospitalet, vitoria, la coruna, a coruna, granada, elche, oviedo, badalona, "
    "terrassa, cartagena, jerez, sabadell, mostoles, santa cruz de tenerife, pamplona, "
    "almeria, san sebastian, burgos, santander, albacete, castellon, logrono, badajoz, "
    "salamanca, huelva, lleida, tarragona, leon, cadiz, jaen, girona, toledo",
    "FI": "helsinki, espoo, tampere, vantaa, oulu, turku, jyvaskyla, lahti, kuopio, pori",
    "FR": "paris, marseille, lyon, toulouse, nice, nantes, montpellier, strasbourg, bordeaux, "
    "lille, rennes, reims, saint etienne, toulon, le havre, grenoble, dijon, angers, "
    "nimes, villeurbanne, clermont ferrand, le mans, aix en provence, brest, tours, "
    "amiens, limoges, annecy, perpignan, metz, besancon, orleans, rouen, mulhouse, caen, "
    "nancy, argenteuil, saint denis, montreuil, avignon, poitiers, versailles, pau, la "
    "rochelle, colmar, calais, antibes, cannes, bourges, quimper, valence, troyes, "
    "chambery, lorient",
    "GB": "london, birmingham, manchester, leeds, glasgow, liverpool, sheffield, bristol, "
    "edinburgh, leicester, coventry, bradford, cardiff, belfast, nottingham, kingston "
    "upon hull, newcastle upon tyne, newcastle, stoke on trent, southampton, derby, "
    "portsmouth, brighton, plymouth, northampton, reading, luton, wolverhampton, bolton, "
    "aberdeen, bournemouth, norwich, swindon, swansea, milton keynes, southend, "
    "middlesbrough, sunderland, peterborough, warrington, slough, oxford, cambridge, "
    "york, ipswich, dundee, gloucester, blackpool, exeter, bath",
    "GR": "athina, athens, thessaloniki, patra, iraklio, larisa, volos, ioannina, αθηνα, "
    "θεσσαλονικη, πατρα",
    "HR": "zagreb, split, rijeka, osijek, zadar, slavonski brod, pula, karlovac, sisak, "
    "varazdin, sibenik, dubrovnik, bjelovar, vukovar, samobor, velika gorica",
    "HU": "budapest, debrecen, szeged, miskolc, pecs, gyor, nyiregyhaza, kecskemet, "
    "szekesfehervar, szombathely, szolnok, tatabanya, erd, kaposvar, sopron, veszprem, "
    "bekescsaba, zalaegerszeg, eger, nagykanizsa, dunaujvaros, hodmezovasarhely, "
    "dunakeszi, szigetszentmiklos, cegled, baja, salgotarjan, godollo, vac, ozd, "
    "szekszard, mosonmagyarovar, papa, hajduboszormeny, gyula, gyongyos, esztergom, "
    "kiskunfelegyhaza, ajka, oroshaza, budaors, gyal, szentes, szentendre, siofok, "
    "kazincbarcika, jaszbereny, komlo, nagykoros, komarom, kiskunhalas, tata, mako, "
    "hajduszoboszlo, varpalota, mohacs, szazhalombatta, keszthely, paks, hatvan, kormend, "
    "sarvar, balassagyarmat, torokszentmiklos, karcag, bekes, dombovar, tiszaujvaros, "
    "satoraljaujhely, monor, vecses, fot, pomaz, tapolca, koszeg, balatonfured, kisvarda, "
    "mateszalka",
    "IE": "dublin, cork, limerick, galway, waterford, drogheda, dundalk, kilkenny, sligo, tralee",
    "IN": "mumbai, delhi, new delhi, bangalore, bengaluru, hyderabad, ahmedabad, chennai, "
    "kolkata, pune, jaipur, lucknow, surat, gurgaon, gurugram, noida",
    "IT": "roma, milano, napoli, torino, palermo, genova, bologna, firenze, bari, catania, "
    "venezia, verona, messina, padova, trieste, brescia, taranto, parma, prato, modena, "
    "reggio calabria, reggio emilia, perugia, ravenna, livorno, cagliari, foggia, rimini, "
    "salerno, ferrara, sassari, latina, giugliano, monza, siracusa, pescara, bergamo, "
    "forli, trento, vicenza, terni, bolzano, novara, piacenza, ancona, andria, arezzo, "
    "udine, cesena, lecce, pesaro, como, varese, pisa, lucca, treviso, rome, milan, "
    "naples, turin, florence, venice",
    "LT": "vilnius, kaunas, klaipeda, siauliai, panevezys",
    "LU": "esch sur alzette, differdange, dudelange",
    "LV": "riga, daugavpils, liepaja, jelgava, jurmala",
    "MX": "ciudad de mexico, mexico city, guadalajara, monterrey, puebla, tijuana, cancun, "
    "merida, queretaro, ciudad juarez, hermosillo, chihuahua",
    "NL": "amsterdam, rotterdam, den haag, s gravenhage, utrecht, eindhoven, groningen, "
    "tilburg, almere, breda, nijmegen, apeldoorn, haarlem, arnhem, enschede, amersfoort, "
    "zaandam, den bosch, s hertogenbosch, zwolle, leiden, maastricht, dordrecht, "
    "zoetermeer, delft",
    "NO": "oslo, bergen, trondheim, stavanger, drammen, fredrikstad, kristiansand, tromso, sandnes",
    "NZ": "auckland, christchurch, wellington, tauranga, dunedin",
    "PL": "warszawa, krakow, lodz, wroclaw, poznan, gdansk, szczecin, bydgoszcz, lublin, "
    "bialystok, katowice, gdynia, czestochowa, radom, torun, sosnowiec, rzeszow, kielce, "
    "gliwice, olsztyn, zabrze, bielsko biala, bytom, zielona gora, rybnik, ruda slaska, "
    "opole, tychy, gorzow, elblag, plock, dabrowa gornicza, walbrzych, wloclawek, tarnow, "
    "chorzow, koszalin, kalisz, legnica, grudziadz, jaworzno, slupsk, nowy sacz, siedlce, "
    "warsaw, cracow",
    "PT": "lisboa, lisbon, porto, braga, coimbra, funchal, setubal, aveiro, faro, leiria, "
    "evora, amadora, almada, vila nova de gaia, guimaraes, viseu",
    "RO": "bucuresti, bucharest, cluj napoca, cluj, timisoara, iasi, constanta, craiova, "
    "brasov, galati, ploiesti, oradea, braila, arad, pitesti, sibiu, bacau, targu mures, "
    "baia mare, buzau, botosani, satu mare, ramnicu valcea, suceava, piatra neamt, "
    "drobeta turnu severin, targoviste, targu jiu, focsani, bistrita, resita, tulcea, "
    "slatina, calarasi, alba iulia, hunedoara, deva, zalau, sfantu gheorghe, miercurea "
    "ciuc",
    "RS": "beograd, belgrade, novi sad, nis, kragujevac, subotica, zrenjanin, pancevo, cacak",
    "RU": "москва, санкт петербург, новосибирск, екатеринбург, казань, moskva, moscow, sankt "
    "peterburg, saint petersburg, novosibirsk",
    "SE": "stockholm, goteborg, gothenburg, malmo, uppsala, vasteras, orebro, linkoping, "
    "helsingborg, jonkoping, norrkoping, lund, umea, gavle",
    "SI": "ljubljana, maribor, celje, kranj, velenje, koper, novo mesto, ptuj, trbovlje, "
    "kamnik, nova gorica, murska sobota",
    "SK": "bratislava, kosice, presov, zilina, banska bystrica, nitra, trnava, trencin, martin, "
    "poprad, prievidza, zvolen, povazska bystrica, michalovce, nove zamky, spisska nova "
    "ves, komarno, levice, humenne, bardejov, liptovsky mikulas, lucenec, piestany, "
    "ruzomberok, topolcany, dunajska streda, galanta, senec, pezinok, senica, skalica",
    "TR": "istanbul, ankara, izmir, bursa, antalya, adana, konya, gaziantep, kayseri",
    "UA": "київ, харків, одеса, дніпро, львів, kyiv, kharkiv, odesa, dnipro, lviv",
    "US": "new york, los angeles, chicago, houston, phoenix, philadelphia, san antonio, san "
    "diego, dallas, austin, jacksonville, san jose, fort worth, columbus, charlotte, "
    "indianapolis, seattle, san francisco, denver, washington, nashville, oklahoma city, "
    "boston, el paso, portland, las vegas, memphis, detroit, baltimore, milwaukee, "
    "albuquerque, tucson, fresno, sacramento, kansas city, mesa, atlanta, omaha, colorado "
    "springs, raleigh, miami, minneapolis, tampa, tulsa, cleveland, orlando, pittsburgh, "
    "cincinnati, buffalo, newark, brooklyn, st louis, honolulu",
    "ZA": "johannesburg, cape town, durban, pretoria, port elizabeth, bloemfontein, sandton",
}
"""The largest towns, as they are written there; a name may stand under several countries."""

WORDS: dict[str, str] = {
    "kft": "HU",
    "zrt": "HU",
    "nyrt": "HU",
    "utca": "HU",
    "korut": "HU",
    "gmbh": "DE AT CH",
    "strasse": "DE AT CH",
    "gasse": "AT DE CH",
    "ohg": "DE",
    "sarl": "FR CH",
    "rue": "FR BE CH",
    "boulevard": "FR BE",
    "spa": "IT",
    "via": "IT",
    "piazza": "IT",
    "viale": "IT",
    "calle": "ES MX",
    "avenida": "ES PT MX BR",
    "rua": "PT BR",
    "lda": "PT",
    "ltda": "BR",
    "bv": "NL BE",
    "straat": "NL BE",
    "ulica": "PL SK SI HR",
    "ul": "PL BG",
    "sp": "PL",
    "namesti": "CZ",
    "namestie": "SK",
    "ulice": "CZ",
    "spol": "CZ SK",
    "strada": "RO IT",
    "bulevardul": "RO",
    "judet": "RO",
    "doo": "HR SI RS",
    "ltd": "GB IE IN",
    "plc": "GB",
    "llc": "US",
    "inc": "US CA",
    "aps": "DK",
    "oy": "FI",
    "pty": "AU ZA",
}
"""Words of addresses and company names that are written in few countries."""

ENDINGS: dict[str, str] = {"strasse": "DE AT CH", "gasse": "AT DE", "straat": "NL BE"}
"""Ends of words that tell the same."""

LETTERS: dict[str, str] = {
    "őű": "HU",
    "ß": "DE AT",
    "łńśźż": "PL",
    "ěřů": "CZ",
    "ľĺŕ": "SK",
    "ășț": "RO",
    "ñ": "ES MX",
    "ãõ": "PT BR",
    "ø": "DK NO",
    "å": "SE DK NO",
    "đ": "HR RS",
    "ėįų": "LT",
    "ķļņ": "LV",
    "ğı": "TR",
    "їє": "UA",
    "ыэ": "RU",
    "αηος": "GR",
}
"""Letters that the languages of few countries have."""

CURRENCIES: dict[str, str] = {
    "ft huf forint": "HU",
    "chf fr": "CH",
    "pln zl": "PL",
    "czk kc": "CZ",
    "ron lei": "RO",
    "gbp £": "GB",
    "usd $": "US",
    "cad": "CA",
    "aud": "AU",
    "dkk": "DK",
    "sek": "SE",
    "nok": "NO",
    "eur euro €": "DE AT FR IT ES SK SI HR BE NL PT IE GR FI LU EE LV LT",
}
"""What stands beside an amount."""

_FOUR, _FIVE, _SIX = r"[1-9]\d{3}", r"\d{5}", r"\d{6}"
POSTCODES: dict[str, re.Pattern[str]] = {
    region: re.compile(shape, re.IGNORECASE)
    for region, shape in {
        **dict.fromkeys(("AT", "BE", "BG", "CH", "DK", "HU", "LU", "SI", "AU", "ZA"), _FOUR),
        **dict.fromkeys(("DE", "ES", "FI", "FR", "HR", "IT", "MX", "RS", "TR", "UA", "EE"), _FIVE),
        **dict.fromkeys(("RO", "RU", "IN"), _SIX),
        **dict.fromkeys(("CZ", "SK", "SE", "GR"), r"\d{3} ?\d{2}"),
        **dict.fromkeys(("NO", "NZ"), r"\d{4}"),
        "US": r"\d{5}(-?\d{4})?",
        "GB": r"[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}",
        "CA": r"[a-z]\d[a-z] ?\d[a-z]\d",
        "IE": r"[a-z]\d[\dw] ?[a-z\d]{4}",
        "NL": r"[1-9]\d{3} ?[a-z]{2}",
        "PL": r"\d{2}-?\d{3}",
        "PT": r"\d{4}-?\d{3}",
        "BR": r"\d{5}-?\d{3}",
        "LV": r"(LV-?)?\d{4}",
        "LT": r"(LT-?)?\d{5}",
    }.items()
}
"""The shape of a post code."""
