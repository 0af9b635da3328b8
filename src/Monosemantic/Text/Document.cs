namespace Monosemantic.Text;

/// <summary>One text of a corpus: a file, a line, or the documentation of one type or member.</summary>
/// <param name="Name">What it is called where it comes from: a path, a record number, a documentation id.</param>
/// <param name="Text">Its text, valid Unicode.</param>
public sealed record Document(string Name, string Text);

/// <summary>One text of a corpus as token ids.</summary>
/// <param name="Index">Its number in corpus order, from 0; the identity that activations and evidence refer to.</param>
/// <param name="Tokens">Its token ids, without any beginning-of-sequence or separator token.</param>
public sealed record TokenizedDocument(int Index, int[] Tokens);
