using System.Collections.Immutable;
using System.Globalization;
using Monosemantic.Runtime;
using Monosemantic.Training;

namespace Monosemantic.Reports.Learning;

/// <summary>One heat map as the page's script reads it.</summary>
/// <param name="Iteration">Iterations done.</param>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="Rows">Of each character, each neuron's activation.</param>
internal sealed record MapData(int Iteration, int Layer, ImmutableArray<ImmutableArray<float>> Rows);

/// <summary>What all heat maps share, as the page's script reads it.</summary>
/// <param name="Characters">The prompt's characters, as they are shown.</param>
/// <param name="Top">The activation that has the strongest colour.</param>
internal sealed record MapScale(ImmutableArray<string> Characters, double Top);

/// <summary>The heat maps of the neurons on the prompt: one for each layer and snapshot, all on one colour scale.</summary>
internal sealed class NeuronMaps
{
    private readonly MapScale scale;
    private readonly ImmutableArray<MapData> maps;

    private NeuronMaps(MapScale scale, ImmutableArray<MapData> maps) => (this.scale, this.maps) = (scale, maps);

    /// <summary>The maps of a run.</summary>
    /// <exception cref="UserErrorException">A map does not have a row of the same length for each of the prompt's characters.</exception>
    internal static NeuronMaps Of(LineLearningRecord record)
    {
        ImmutableArray<string> characters = [.. record.Config.Prompt.EnumerateRunes().Select(character => VisibleText.Of(character.ToString()))];
        ImmutableArray<MapData> maps = [.. record.Snapshots.SelectMany(snapshot => snapshot.Maps.Select(map => new MapData(snapshot.Iteration, map.Layer, map.Activations)))];
        foreach (MapData map in maps)
        {
            bool whole = map.Rows.Length == characters.Length && map.Rows.All(row => row.Length == record.Config.FeedForward && row.All(float.IsFinite));
            if (!whole) throw new UserErrorException($"the neurons of layer {map.Layer} after {map.Iteration} iterations are not {characters.Length} rows of {record.Config.FeedForward} finite numbers", "make the run again");
        }
        double top = maps.SelectMany(map => map.Rows).SelectMany(row => row).DefaultIfEmpty().Max();
        return new(new(characters, top), maps);
    }

    /// <summary>The data blocks for the script.</summary>
    internal Markup Data() => Markup.Of($"{Markup.Data("scale", [scale])}{Markup.Data("maps", maps)}");

    /// <summary>The legend and a place for every map.</summary>
    internal Markup Draw() => Markup.Of($"""
        <p class="note">The feed-forward neurons of each layer, after the ReLU and before the second map: across, the prompt's characters; down, the neurons in their own order, the same neuron at the same height in every map of a layer.
        Point at a map, or move through it with the arrow keys, to read exact values.</p>
        <div class="scale" role="img" aria-label="Colour scale of all heat maps: from 0, silent, to {Top()}, the strongest activation shown"><span>0, silent</span><span class="heat" aria-hidden="true"></span><span>{Numbers.Short(scale.Top)}, the strongest shown</span><span class="one">one scale for all maps</span></div>
        <noscript><p class="note">The heat maps are drawn by the page's own script; nothing is loaded from anywhere.</p></noscript>
        {maps.Select(map => map.Layer).Distinct().Order().Select(Layer)}
        """);

    private string Top() => scale.Top.ToString("R", CultureInfo.InvariantCulture);

    private Markup Layer(int layer) => Markup.Of($"""
        <h3>Layer {layer}</h3>
        <div class="snapshots">{maps.Select((map, index) => (map, index)).Where(pair => pair.map.Layer == layer).Select(pair => Figure(pair.map, pair.index))}</div>

        """);

    private static Markup Figure(MapData map, int index) => Markup.Of($"""
        <figure class="map" data-map="{index}" data-iteration="{map.Iteration}"><figcaption>{LearningPage.Name(map.Iteration)}</figcaption><div class="scroll"></div></figure>

        """);
}
