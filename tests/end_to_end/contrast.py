"""How well text can be told from what is behind it, asked of a page in the words of a browser."""

WEAKEST_CONTRAST = """(() => {
    const light = rgb => { const [r, g, b] = rgb.map(v => { v /= 255;
        return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const behind = node => { for (; node; node = node.parentElement) {
        const found = parse(getComputedStyle(node).backgroundColor);
        if (found.length === 3 || found[3] > 0) return found.slice(0, 3); } return [255, 255, 255]; };
    let worst = [99, ''];
    for (const node of document.querySelectorAll('body *:not(svg):not(svg *)')) {
        const own = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim());
        if (!own || node.matches('.same, .arrow')) continue;
        const [a, b] = [light(parse(getComputedStyle(node).color).slice(0, 3)), light(behind(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, node.outerHTML.slice(0, 120)];
    }
    return worst;
})()"""
"""The lowest contrast ratio of any text on the page, and where (Web Content Accessibility Guidelines 2)."""
