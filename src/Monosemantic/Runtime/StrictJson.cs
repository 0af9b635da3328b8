using System.Text.Json;

namespace Monosemantic.Runtime;

/// <summary>
/// Reads JSON of a known form straight from bytes, so that what it takes in memory is what the caller keeps. Anything that
/// is not of the form is a <see cref="JsonException"/>.
/// </summary>
internal ref struct StrictJson
{
    private Utf8JsonReader reader;

    internal StrictJson(ReadOnlySpan<byte> utf8) =>
        reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = 16, CommentHandling = JsonCommentHandling.Disallow, AllowTrailingCommas = false });

    /// <summary>Enters an object.</summary>
    internal void BeginObject(string what) => Expect(JsonTokenType.StartObject, what, "an object");

    /// <summary>The next key of the object, or false at its end.</summary>
    internal bool NextKey(out string key)
    {
        Advance();
        key = reader.TokenType == JsonTokenType.PropertyName ? Text() : "";
        return reader.TokenType == JsonTokenType.PropertyName;
    }

    /// <summary>A value that must be text.</summary>
    internal string Text(string what)
    {
        Expect(JsonTokenType.String, what, "text");
        return Text();
    }

    /// <summary>A value that must be a list of whole numbers from 0 on.</summary>
    /// <param name="what">What the list is, for errors.</param>
    /// <param name="counts">Where the numbers go; it says how many there may be.</param>
    /// <returns>How many there are.</returns>
    internal int Counts(string what, scoped Span<long> counts)
    {
        Expect(JsonTokenType.StartArray, what, "a list");
        for (int found = 0; ; found++)
        {
            Advance();
            if (reader.TokenType == JsonTokenType.EndArray) return found;
            if (found == counts.Length) throw new JsonException($"{what} has more than {counts.Length} numbers");
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong count) || count > long.MaxValue)
            {
                throw new JsonException($"{what} holds something else than whole numbers from 0 to 2^63 - 1");
            }
            counts[found] = (long)count;
        }
    }

    /// <summary>Passes over a value of any kind.</summary>
    internal void Skip()
    {
        Advance();
        reader.Skip();
    }

    /// <summary>Passes over a value of any kind; where it is an object with a number under a key, gives that number.</summary>
    internal double? NumberIn(string wanted)
    {
        Advance();
        double? found = null;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return found;
        }
        while (NextKey(out string key))
        {
            Advance();
            if (key == wanted && reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out double number)) found = number;
            reader.Skip();
        }
        return found;
    }

    /// <summary>Nothing but white space may follow.</summary>
    internal void End()
    {
        if (reader.Read()) throw new JsonException("something follows the object");
    }

    private string Text()
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException failure)
        {
            throw new JsonException("a name holds half of a surrogate pair", failure);
        }
    }

    private void Expect(JsonTokenType token, string what, string kind)
    {
        Advance();
        if (reader.TokenType != token) throw new JsonException($"{what} is not {kind}");
    }

    private void Advance()
    {
        if (!reader.Read()) throw new JsonException("it ends too early");
    }
}
