using System.Globalization;
using System.Text.Json.Nodes;

namespace Monosemantic.Reports.Charts;

/// <summary>Colours between named ones: a scale as plotly.js writes it, pairs of a place from 0 to 1 and a colour such as #aabbcc.</summary>
internal sealed class ColorScale
{
    private const int Steps = 24;
    private readonly (double At, int Color)[] stops;

    internal ColorScale(JsonNode? scale)
    {
        stops = scale is JsonArray pairs
            ? [.. pairs.Select(pair => (pair![0]!.GetValue<double>(), int.Parse(pair[1]!.GetValue<string>().AsSpan(1), NumberStyles.HexNumber, CultureInfo.InvariantCulture)))]
            : [(0, 0xf3f4f6), (1, 0x1f3d7a)];
    }

    /// <summary>The colour at a place, one of 25; beyond the ends it is that of the end.</summary>
    internal string At(double place)
    {
        place = Math.Round(Math.Clamp(place, 0, 1) * Steps) / Steps;
        int next = Math.Max(1, Array.FindIndex(stops, stop => stop.At >= place));
        if (place >= stops[^1].At) next = stops.Length - 1;
        (double low, int from) = stops[next - 1];
        (double high, int to) = stops[next];
        double share = Math.Clamp((place - low) / (high - low), 0, 1);
        int Mixed(int shift) => (int)Math.Round(((from >> shift) & 255) + (share * (((to >> shift) & 255) - ((from >> shift) & 255))));
        return $"#{Mixed(16):x2}{Mixed(8):x2}{Mixed(0):x2}";
    }
}
