set terminal svg size 720,722 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 52.14 1.3274776083646824
24.0 44.74 1.1467760244369267
EOD
$line1 << EOD
12.0 51.92 1.2825854201153737
24.0 45.86 1.517169113929618
EOD
$line2 << EOD
12.0 52.14 1.3274776083646824
24.0 44.74 1.1467760244369267
EOD
$line3 << EOD
12.0 51.6 2.044036913272319
24.0 37.74 11.323880360059535
EOD
$line4 << EOD
12.0 52.18000000000001 1.0909698263398941
24.0 46.02 2.5977201453146486
EOD
$line5 << EOD
12.0 50.94 0.768428521424565
24.0 42.54 1.037365499780999
EOD
$line6 << EOD
12.0 51.739999999999995 1.2121337379459822
24.0 43.16 1.3069951295832667
EOD
$line7 << EOD
12.0 50.8 1.5207216137916373
24.0 45.22 2.5528201132685124
EOD
$line8 << EOD
12.0 51.739999999999995 1.2121337379459822
24.0 43.16 1.3069951295832667
EOD
$line9 << EOD
12.0 51.86000000000001 1.5842776273938752
24.0 41.24 4.783710979717946
EOD
$line10 << EOD
12.0 52.46000000000001 1.3069951295832667
24.0 43.6 2.5627656162229546
EOD
$line11 << EOD
12.0 52.12 0.8208140987448088
24.0 44.46 0.9878839828884683
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance, main.test.accuracy", \
     $line1 using ($1+(-0.39272727272727276)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false, main.test.accuracy", \
     $line2 using ($1+(-0.30545454545454553)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output, main.test.accuracy", \
     $line3 using ($1+(-0.21818181818181825)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1, main.test.accuracy", \
     $line4 using ($1+(-0.13090909090909092)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor, main.test.accuracy", \
     $line5 using ($1+(-0.04363636363636366)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random, main.test.accuracy", \
     $line6 using ($1+(0.043636363636363605)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#000000" title "relevance, scratch.test.accuracy", \
     $line7 using ($1+(0.13090909090909092)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#888888" title "relevance, classWeights false, scratch.test.accuracy", \
     $line8 using ($1+(0.21818181818181825)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#0072B2" title "relevance, place output, scratch.test.accuracy", \
     $line9 using ($1+(0.3054545454545456)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#D55E00" title "l1, scratch.test.accuracy", \
     $line10 using ($1+(0.39272727272727276)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#009E73" title "taylor, scratch.test.accuracy", \
     $line11 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#CC79A7" title "random, scratch.test.accuracy"
