using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Curvature.Tests.Compat;

/// <summary>Writes types and members as the dumps of <see cref="ReferenceApi"/> do.</summary>
internal static class Signature
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(char)] = "char",
        [typeof(sbyte)] = "sbyte",
        [typeof(byte)] = "byte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
    };

    public static string Of(Type type) => $"{type.Namespace}::{Name(type, null)}";

    /// <summary>The members a user can call or derive from, declared by the type itself; overrides have the signature of what they override.</summary>
    public static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum) return type.GetFields(Declared).Where(field => field.IsLiteral).Select(field => $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}");
        if (typeof(Delegate).IsAssignableFrom(type)) return [];
        var fields = type.GetFields(Declared).Where(Visible).Select(Of);
        var constructors = type.GetConstructors(Declared).Where(Visible).Select(ctor => $"{Access(ctor)}ctor({Parameters(ctor)})");
        var properties = type.GetProperties(Declared).Where(property => property.GetAccessors(true).Any(Visible) && !Overrides(property.GetAccessors(true)[0])).Select(Of);
        var methods = type.GetMethods(Declared)
            .Where(method => Visible(method) && !Overrides(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)))
            .Select(method => $"{Access(method)}{Name(method.ReturnType, method.ReturnParameter)} {method.Name}{Generic(method.GetGenericArguments())}({Parameters(method)})");
        return fields.Concat(constructors).Concat(properties).Concat(methods).Select(ReferenceApi.Normal);
    }

    private static string Of(FieldInfo field) =>
        $"{(field.IsPublic ? "public " : "protected ")}{(field.IsLiteral ? "const " : field.IsStatic ? "static " : "")}{Name(field.FieldType, field)} {field.Name}{(field.IsLiteral ? " = " + Literal(field.GetRawConstantValue(), typeof(long)) : "")}";

    private static string Of(PropertyInfo property)
    {
        var accessors = property.GetAccessors(true).Where(Visible).OrderBy(accessor => accessor.ReturnType == typeof(void)).ToList();
        var index = property.GetIndexParameters();
        var name = index.Length == 0 ? property.Name : $"this[{string.Join(", ", index.Select(Of))}]";
        return $"{Access(accessors[0])}{Name(property.PropertyType, property)} {name} {{ {string.Join(' ', accessors.Select(accessor => accessor.ReturnType == typeof(void) ? "set;" : "get;"))} }}";
    }

    private static string Parameters(MethodBase method) =>
        (method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "") + string.Join(", ", method.GetParameters().Select(Of));

    private static string Of(ParameterInfo parameter)
    {
        var type = parameter.ParameterType;
        var prefix = parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : parameter.IsOut ? "out " : parameter.IsIn ? "in " : type.IsByRef ? "ref " : "";
        return $"{prefix}{Name(type.IsByRef ? type.GetElementType()! : type, parameter)} {parameter.Name}{(parameter.HasDefaultValue ? " = " + Literal(parameter.RawDefaultValue, type) : "")}";
    }

    private static string Literal(object? value, Type type)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        return value switch
        {
            null => type.IsValueType && plain == type ? "default" : "null",
            bool flag => flag ? "true" : "false",
            string text => $"\"{text}\"",
            char letter => $"'{letter}'",
            double.NaN => "double.NaN",
            float number => number.ToString(CultureInfo.InvariantCulture) + "f",
            _ when plain.IsEnum => $"{Name(plain, null)}.{Enum.GetName(plain, value)}",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
    }

    private static string Name(Type type, ICustomAttributeProvider? source)
    {
        var tupleNames = source?.GetCustomAttributes(typeof(TupleElementNamesAttribute), false).OfType<TupleElementNamesAttribute>().FirstOrDefault()?.TransformNames;
        var next = 0;
        return Name(type, tupleNames ?? [], ref next);
    }

    private static string Name(Type type, IList<string?> tupleNames, ref int next)
    {
        if (Keywords.TryGetValue(type, out var keyword)) return keyword;
        if (type.IsGenericParameter) return type.Name;
        if (type.IsArray) return Name(type.GetElementType()!, tupleNames, ref next) + $"[{new string(',', type.GetArrayRank() - 1)}]";
        if (Nullable.GetUnderlyingType(type) is { } value) return Name(value, tupleNames, ref next);

        var arguments = type.GetGenericArguments();
        var isTuple = type.IsConstructedGenericType && type.Name.StartsWith("ValueTuple`", StringComparison.Ordinal);
        // A tuple's own names come before those of the tuples within it.
        var own = isTuple ? Enumerable.Range(next, arguments.Length).Select(i => i < tupleNames.Count ? tupleNames[i] : null).ToList() : [];
        if (isTuple) next += arguments.Length;
        var inner = new List<string>();
        foreach (var argument in arguments) inner.Add(Name(argument, tupleNames, ref next));
        if (isTuple && !arguments.Any(argument => argument.IsGenericParameter))
        {
            return $"({string.Join(", ", inner.Select((name, i) => own[i] is null ? name : $"{name} {own[i]}"))})";
        }

        var path = type.Name.Split('`')[0];
        for (var outer = type.DeclaringType; outer is not null; outer = outer.DeclaringType) path = $"{outer.Name.Split('`')[0]}.{path}";
        return inner.Count == 0 ? path : $"{path}<{string.Join(", ", inner)}>";
    }

    private static string Generic(Type[] arguments) => arguments.Length == 0 ? "" : $"<{string.Join(", ", arguments.Select(argument => argument.Name))}>";

    private static string Access(MethodBase method) => (method.IsPublic ? "public " : "protected ") + (method.IsStatic ? "static " : "");

    private static bool Visible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool Visible(FieldInfo field) => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly;

    private static bool Overrides(MethodInfo method) => method.GetBaseDefinition().DeclaringType != method.DeclaringType;
}
